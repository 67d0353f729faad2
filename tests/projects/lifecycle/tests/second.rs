//! The second of two test binaries: the same servers.

use container_test::{Database, Keyspace, container_test};

#[container_test(postgres, redis)]
async fn another_binary_shares_the_servers(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(redis, timeout = "30s")]
async fn a_test_may_use_one_of_them(keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(postgres(isolation = "server"))]
async fn another_test_has_a_server_to_itself(database: Database) -> anyhow::Result<()> {
    assert!(database.table_exists("users").await?);
    Ok(())
}
