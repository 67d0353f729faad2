//! Servers of a test's own and with settings of their own: not to be had from a server given by
//! URL.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use container_test::redis::aio::MultiplexedConnection;
use container_test::redis::{AsyncCommands, RedisResult};
use container_test::sqlx::PgPool;
use container_test::{Keyspace, container_test};

async fn text(pool: &PgPool, query: &'static str) -> sqlx::Result<String> {
    sqlx::query_scalar(query).fetch_one(pool).await
}

#[container_test(
    postgres(isolation = "server", database = "Just this", user = "owner of it"),
    migrations = false
)]
async fn a_database_of_a_server_of_its_own_has_just_its_name(pool: PgPool) -> anyhow::Result<()> {
    assert_eq!(text(&pool, "SELECT current_database()").await?, "Just this");
    assert_eq!(
        text(&pool, "SELECT current_user::text").await?,
        "owner of it"
    );
    sqlx::query("ALTER SYSTEM SET work_mem = '1MB'")
        .execute(&pool)
        .await?;
    Ok(())
}

#[container_test(postgres(args = ["-c", "work_mem=33MB"], env = ["PGDATESTYLE=German"]), migrations = false)]
async fn arguments_and_environment_reach_the_server(pool: PgPool) -> anyhow::Result<()> {
    assert_eq!(text(&pool, "SHOW work_mem").await?, "33MB");
    Ok(())
}

#[container_test(postgres(user = "app"), migrations = ["CREATE TABLE mine (id int)"])]
async fn a_user_owns_what_its_migrations_make(pool: PgPool) -> anyhow::Result<()> {
    assert_eq!(text(&pool, "SELECT current_user::text").await?, "app");
    let owner = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(text(&pool, owner).await?, "app");
    Ok(())
}

#[container_test(redis)]
async fn a_shared_server_refuses_what_reaches_into_other_tests(
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    let flushed: RedisResult<()> = redis.flushall().await;
    let error = flushed.unwrap_err();
    assert!(error.to_string().contains("flushall"), "{error}");
    Ok(())
}

#[container_test(redis(isolation = "server", args = ["--maxmemory", "64mb"]))]
async fn a_server_of_its_own_refuses_nothing(
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    let () = redis.flushall().await?;
    let (_, memory): (String, u64) = container_test::redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory")
        .query_async(&mut redis)
        .await?;
    assert_eq!(memory, 64 << 20);
    Ok(())
}

/// Keyspaces of a server that only the tests of one function use.
static IN_USE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

#[container_test(redis(env = ["USED_BY=many tests"]))]
#[ignore = "run by another test, many times"]
async fn has_a_keyspace(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    let url = keyspace.url().to_owned();
    assert!(IN_USE.lock().unwrap().insert(url.clone()), "{url}");
    assert_eq!(keyspace.key_count().await?, 0);
    let () = redis.set("left", "behind").await?;
    tokio::task::yield_now().await;
    assert_eq!(keyspace.key_count().await?, 1);
    IN_USE.lock().unwrap().remove(&url);
    USED.lock().unwrap().insert(url);
    Ok(())
}

#[test]
fn a_process_uses_its_keyspaces_again_emptied_and_never_two_at_a_time() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    has_a_keyspace();
                }
            });
        }
    });
    // They are emptied in the background.
    let begun = Instant::now();
    loop {
        let used = USED.lock().unwrap().len();
        has_a_keyspace();
        if USED.lock().unwrap().len() == used {
            break;
        }
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(10), "{used} keyspaces");
    }
}

/// What a process leaves that is killed between creating a container and starting it: the engine
/// removes by itself only what has run.
#[test]
fn a_container_that_was_never_started_goes_with_the_next_start() {
    use std::io::Write;
    use std::process::Command;

    if std::env::var("CONTAINER_TEST_PROVIDER").as_deref() == Ok("local") {
        // Not by a macro: what tests print by these is shown of failed ones only.
        let _ = std::io::stderr().write_all(
            b"NOT TESTED on local servers, which have no containers: \
              a_container_that_was_never_started_goes_with_the_next_start\n",
        );
        return;
    }
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let prefix = std::env::var("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX").unwrap_or_default();
    let image = format!(
        "{prefix}{}redis:8-alpine",
        if prefix.is_empty() { "" } else { "/" }
    );
    let left = docker(&["create", "--label", "container-test.user=", &image]);
    // It may be about to be started for as long as it is young.
    std::thread::sleep(Duration::from_secs(61));
    a_server_of_its_own_refuses_nothing();
    let found = docker(&[
        "ps",
        "--all",
        "--quiet",
        "--no-trunc",
        "--filter",
        &format!("id={left}"),
    ]);
    assert_eq!(found, "");
}
