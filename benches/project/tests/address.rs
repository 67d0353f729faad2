//! Starts this crate's servers and says where they are.

use container_test::{Database, Keyspace, container_test};

#[container_test(postgres, redis, migrations = false)]
async fn address(database: Database, keyspace: Keyspace) -> std::io::Result<()> {
    let path = container_test_bench::variable("BENCH_ADDRESS");
    std::fs::write(path, format!("{}\n{}\n", database.url(), keyspace.url()))
}
