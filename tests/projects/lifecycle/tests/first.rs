//! The first of two test binaries: what passes.

use container_test::redis::AsyncCommands;
use container_test::redis::aio::ConnectionManager;
use container_test::sqlx::{self, PgPool};
use container_test::{Database, Keyspace, container_test};

#[container_test(postgres, redis)]
async fn a_test_has_its_own_data(pool: PgPool, database: Database, mut redis: ConnectionManager) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO users VALUES (2)").execute(&pool).await?;
    assert_eq!(database.row_count("users").await?, 2);
    let () = redis.set("a", 1).await?;
    Ok(())
}

#[container_test(postgres, redis)]
async fn so_has_another(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(postgres(isolation = "server"), redis(isolation = "server"))]
async fn one_test_has_both_servers_to_itself(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(postgres, redis)]
#[should_panic(expected = "as it should")]
async fn a_body_may_panic_as_it_should(database: Database) {
    assert!(database.row_count("users").await.is_err(), "this panics as it should");
}

#[container_test(postgres)]
#[ignore = "not now"]
async fn an_ignored_test_does_not_run() {
    panic!("it does run");
}
