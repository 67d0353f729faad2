//! The whole path on real servers.

use container_test::redis::AsyncCommands;
use container_test::redis::aio::ConnectionManager;
use container_test::sqlx::PgPool;
use container_test::{Database, Keyspace, container_test};

#[container_test(postgres, migrations = ["CREATE TABLE users (id int); INSERT INTO users VALUES (1)"])]
async fn a_database_is_migrated_and_ours(pool: PgPool, database: Database) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO users VALUES (2)").execute(&pool).await?;
    assert_eq!(database.row_count("users").await?, 2);
    Ok(())
}

#[container_test(postgres, redis, migrations = ["CREATE TABLE users (id int); INSERT INTO users VALUES (1)"])]
async fn a_keyspace_is_empty_and_ours(mut redis: ConnectionManager, keyspace: Keyspace, pool: PgPool) -> anyhow::Result<()> {
    let () = redis.set("a", 1).await?;
    assert_eq!(keyspace.key_count().await?, 1);
    let one: i32 = sqlx::query_scalar("SELECT count(*)::int FROM users").fetch_one(&pool).await?;
    assert_eq!(one, 1);
    Ok(())
}
