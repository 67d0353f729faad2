//! Tests that end in every way a test can end; each is run alone.

use std::time::Duration;

use container_test::redis::aio::ConnectionManager;
use container_test::redis::{self, AsyncCommands};
use container_test::sqlx::{self, PgPool};
use container_test::{Database, Keyspace, container_test};

/// Says that the body has been reached.
fn mark() {
    std::fs::write(std::env::var_os("MARK").unwrap(), "").unwrap();
}

#[container_test(postgres, redis)]
async fn passes(database: Database, _redis: ConnectionManager) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    Ok(())
}

/// Every `initdb` makes up a number. A registry that this server made is never called older.
#[container_test(postgres)]
async fn tells_which_cluster_it_is_in(pool: PgPool) -> anyhow::Result<()> {
    let (number, prepared): (i64, bool) = sqlx::query_as(
        "SELECT system_identifier,
                (pg_stat_file(format('base/%s/PG_VERSION', oid))).modification
                    < pg_postmaster_start_time() - interval '1 second'
         FROM pg_control_system(), pg_database WHERE datname = 'container_test_4'",
    )
    .fetch_one(&pool)
    .await?;
    println!("the cluster {number}, its registry older than the server: {prepared}");
    Ok(())
}

#[container_test(postgres, redis)]
async fn fails(_pool: PgPool, _redis: ConnectionManager) -> anyhow::Result<()> {
    anyhow::bail!("the body returned an error")
}

#[container_test(postgres, redis)]
async fn panics(_pool: PgPool, _redis: ConnectionManager) {
    panic!("the body panicked");
}

#[container_test(postgres, redis, timeout = "1s")]
async fn times_out(_pool: PgPool, _redis: ConnectionManager) {
    tokio::time::sleep(Duration::from_secs(3_600)).await;
}

#[container_test(postgres, redis)]
async fn hangs(_pool: PgPool, _redis: ConnectionManager) {
    mark();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
}

/// Tells its URLs, with their passwords. A Redis server writes its title over its arguments, unless it
/// is told not to.
#[container_test(postgres, redis(args = ["--set-proc-title", "no"]))]
async fn tells_its_urls(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    let mark = std::env::var_os("MARK").unwrap();
    let new = std::path::Path::new(&mark).with_extension("new");
    std::fs::write(&new, format!("{}\n{}", database.url(), keyspace.url()))?;
    std::fs::rename(&new, &mark)?;
    while std::fs::exists(&mark)? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Its servers end while it waits.
#[container_test(postgres, redis)]
async fn loses_its_servers(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    mark();
    while std::fs::exists(std::env::var_os("MARK").unwrap())? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(sqlx::query("SELECT 1").execute(&pool).await.is_err());
    let set: redis::RedisResult<()> = redis.set("a", 1).await;
    assert!(set.is_err());
    Ok(())
}

/// Comes after it in the same process.
#[container_test(postgres, redis)]
async fn loses_its_servers_and_is_followed(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

#[container_test(postgres, redis)]
async fn exits(_pool: PgPool, _redis: ConnectionManager) {
    std::process::exit(1);
}

/// What a panic does where panics abort; stable Rust builds tests with panics that unwind.
#[container_test(postgres, redis)]
async fn aborts(_pool: PgPool, _redis: ConnectionManager) {
    std::process::abort();
}
