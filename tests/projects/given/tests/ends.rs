//! Tests that end in several ways; each is run alone.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;
use container_test::redis::{self, AsyncCommands, Client};
use container_test::redis::aio::{ConnectionManager, MultiplexedConnection};
use container_test::sqlx::{self, PgPool};
use container_test::{Database, Keyspace, container_test};

/// Writes to both services.
async fn write(pool: &PgPool, redis: &mut ConnectionManager) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO users (name) VALUES ('grace')").execute(pool).await?;
    let () = redis.set("session:1", "grace").await?;
    Ok(())
}

#[container_test(postgres, redis)]
async fn passes(database: Database, keyspace: Keyspace, pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    write(&pool, &mut redis).await?;
    assert_eq!(database.row_count("users").await?, 2);
    assert_eq!(keyspace.key_count().await?, 1);
    Ok(())
}

#[container_test(postgres, migrations = ["CREATE TABLE other ()"])]
async fn has_another_schema(_pool: PgPool) {}

#[container_test(postgres, redis)]
async fn fails(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    write(&pool, &mut redis).await?;
    anyhow::bail!("the body returned an error")
}

#[container_test(postgres, redis)]
async fn panics(pool: PgPool, mut redis: ConnectionManager) {
    write(&pool, &mut redis).await.unwrap();
    panic!("the body panicked");
}

#[container_test(postgres, redis, timeout = "1s")]
async fn times_out(pool: PgPool, mut redis: ConnectionManager) {
    write(&pool, &mut redis).await.unwrap();
    let _ = sqlx::query("SELECT pg_sleep(600)").execute(&pool).await;
}

#[container_test(postgres, redis)]
async fn hangs(pool: PgPool, mut redis: ConnectionManager) {
    write(&pool, &mut redis).await.unwrap();
    std::fs::write(std::env::var_os("MARK").unwrap(), "").unwrap();
    let _ = sqlx::query("SELECT pg_sleep(600)").execute(&pool).await;
}

#[container_test(postgres, redis, migrations = ["CREATE TABLE slow ()", "SELECT pg_sleep(600)"])]
async fn hangs_in_a_migration(_pool: PgPool, _redis: ConnectionManager) {}

/// What servers end while the test waits, its clients open again.
#[container_test(postgres, redis)]
async fn has_its_data_until_the_mark_is_removed(database: Database, pool: PgPool, mut redis: ConnectionManager, client: Client) -> anyhow::Result<()> {
    write(&pool, &mut redis).await?;
    let mark = std::env::var_os("MARK").context("a path")?;
    std::fs::write(&mark, "")?;
    while std::fs::exists(&mark)? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(database.row_count("users").await?, 2);
    let mut redis = client.get_multiplexed_async_connection().await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await?;
    assert_eq!(keys, 1);
    Ok(())
}

#[container_test(postgres(database = "Odd name's"), migrations = false)]
async fn gives_its_url_to_psql(database: Database) -> anyhow::Result<()> {
    let asks = ["--no-psqlrc", "--tuples-only", "--no-align", "--command", "SELECT current_database()"];
    let asked = std::process::Command::new("psql").args(asks).arg(database.url()).output()?;
    let said = String::from_utf8(asked.stdout)?;
    anyhow::ensure!(said.starts_with("ct_odd_name_s_"), "{said} {}", String::from_utf8_lossy(&asked.stderr));
    Ok(())
}

/// Has what it will not use any more.
#[container_test(postgres, redis)]
async fn waits_until_the_mark_is_removed(pool: PgPool, mut redis: ConnectionManager) -> anyhow::Result<()> {
    write(&pool, &mut redis).await?;
    let mark = std::env::var_os("MARK").context("a path")?;
    std::fs::write(&mark, "")?;
    while std::fs::exists(&mark)? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Both servers are started again while it waits; that of Redis has lost all keys then.
#[container_test(postgres, redis, timeout = "60s")]
async fn outlives_servers_that_are_started_again(database: Database, pool: PgPool, mut redis: ConnectionManager, keyspace: Keyspace) -> anyhow::Result<()> {
    write(&pool, &mut redis).await?;
    let mark = std::env::var_os("MARK").context("a path")?;
    std::fs::write(&mark, keyspace.url())?;
    while redis.get::<_, Option<String>>("session:1").await.unwrap_or(Some(String::new())).is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let () = redis.set("mine", 1).await?;
    while std::fs::exists(&mark)? {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let keys: Vec<String> = redis.keys("*").await?;
        anyhow::ensure!(keys == ["mine"], "another test was here: {keys:?}");
    }
    assert_eq!(database.row_count("users").await?, 2);
    Ok(())
}

/// The same, and nothing of it is left when the next test of the process comes.
#[container_test(postgres, redis)]
async fn outlives_servers_that_are_started_again_and_is_followed(database: Database, keyspace: Keyspace) -> anyhow::Result<()> {
    assert_eq!(database.row_count("users").await?, 1);
    assert_eq!(keyspace.key_count().await?, 0);
    Ok(())
}

/// Run one after another: the server ends the process's session while no test uses it.
#[container_test(redis)]
async fn idles_1_uses_a_keyspace(mut redis: ConnectionManager) -> anyhow::Result<()> {
    let () = redis.set("a", 1).await?;
    Ok(())
}

#[test]
fn idles_2_does_nothing() {
    std::thread::sleep(Duration::from_secs(5));
}

#[container_test(redis, timeout = "30s")]
async fn idles_3_uses_a_keyspace(mut redis: ConnectionManager) -> anyhow::Result<()> {
    let () = redis.set("a", 1).await?;
    Ok(())
}

/// Ends all sessions but its own: those of its process, too.
#[container_test(postgres, redis)]
async fn ends_all_other_sessions(database: Database, pool: PgPool, mut writes: ConnectionManager, mut redis: MultiplexedConnection) -> anyhow::Result<()> {
    write(&pool, &mut writes).await?;
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE usename = current_user AND pid <> pg_backend_pid()",
    )
    .fetch_one(&pool)
    .await?;
    let mut kill = redis::cmd("CLIENT");
    let killed: i64 = kill.arg(&["KILL", "TYPE", "normal"]).query_async(&mut redis).await?;
    // The leases of the process are among them.
    anyhow::ensure!(ended > 0 && killed > 1, "{ended} sessions and {killed} clients");
    assert_eq!(database.row_count("users").await?, 2);
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await?;
    assert_eq!(keys, 1);
    Ok(())
}

/// Sends more than the server reads at a time, and does not wait for answers.
#[container_test(redis)]
async fn leaves_with_keys_on_their_way(keyspace: Keyspace) -> anyhow::Result<()> {
    let url = keyspace.url().strip_prefix("redis://").context("a URL")?;
    let (address, number) = url.split_once('/').context("a database")?;
    let mut commands = format!("SELECT {number}\r\n");
    for number in 0..5_000 {
        commands += &format!("SET late:{number} 1\r\n");
    }
    for _ in 0..8 {
        TcpStream::connect(address)?.write_all(commands.as_bytes())?;
    }
    Ok(())
}

#[container_test(postgres, migrations = ["CREATE TABLE large AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 250000) n"])]
async fn has_a_large_template(pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT FROM large LIMIT 1").execute(&pool).await?;
    Ok(())
}

#[container_test(postgres(isolation = "server"))]
async fn wants_a_postgres_of_its_own(_pool: PgPool) {}

#[container_test(redis(isolation = "server"))]
async fn wants_a_redis_of_its_own(_redis: ConnectionManager) {}

#[container_test(postgres)]
async fn uses_postgres(_pool: PgPool) {}

#[container_test(redis)]
async fn uses_redis(mut redis: ConnectionManager) -> anyhow::Result<()> {
    let () = redis.set("a", 1).await?;
    Ok(())
}
