//! Servers of a test's own and with settings of their own, which a server given by URL cannot
//! have.
// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use container_test::redis::AsyncCommands;
use container_test::redis::aio::MultiplexedConnection;
use container_test::sqlx::PgPool;
use container_test::{Builder, Database, Isolation, Keyspace, Redis, TestContext, container_test};

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
    Ok(())
}

#[container_test(postgres(isolation = "server"), migrations = create_notes)]
async fn a_function_makes_the_schema_on_a_server_of_its_own(
    database: Database,
) -> anyhow::Result<()> {
    assert_eq!(database.row_count("notes").await?, 1);
    Ok(())
}

async fn create_notes(database: Database) -> sqlx::Result<()> {
    sqlx::raw_sql("CREATE TABLE notes (id serial); INSERT INTO notes DEFAULT VALUES")
        .execute(database.pool())
        .await
        .map(|_| ())
}

#[container_test(postgres(isolation = "server"), migrations = false)]
async fn a_server_of_its_own_may_be_changed(pool: PgPool) -> anyhow::Result<()> {
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

/// Only a superuser may create this one.
#[container_test(postgres(user = "app", extensions = ["pageinspect"]), migrations = false)]
async fn an_ordinary_role_has_extensions_that_take_a_superuser(pool: PgPool) -> anyhow::Result<()> {
    let found = "SELECT rolname::text FROM pg_extension JOIN pg_roles r ON r.oid = extowner
                 WHERE extname = 'pageinspect'";
    assert_eq!(text(&pool, found).await?, "postgres");
    let superuser = "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user";
    assert_eq!(text(&pool, superuser).await?, "false");
    Ok(())
}

/// An index is made in logical database 0 only. Redis 8 has them in its image; Debian's packages, which
/// stand-in images have as well, in a module.
#[test]
fn search_indexes_can_be_made_on_a_server_of_a_tests_own() {
    let mut redis = Redis::default();
    redis.isolation = Isolation::Server;
    let stand_in = std::env::var_os("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX").is_some();
    if stand_in || std::env::var("CONTAINER_TEST_PROVIDER").as_deref() == Ok("local") {
        let module = ["--loadmodule", "/usr/lib/redis/modules/redisearch.so"];
        redis.args = module.map(str::to_owned).to_vec();
    }
    let test = Builder::new("search indexes", env!("CARGO_MANIFEST_DIR")).service(redis);
    let made: String = test
        .run(async |cx: TestContext| {
            let mut redis: MultiplexedConnection = cx.get().await?;
            let index = container_test::redis::cmd("FT.CREATE")
                .arg(&["books", "SCHEMA", "title", "TEXT"])
                .clone();
            Ok(index.query_async(&mut redis).await.unwrap())
        })
        .unwrap();
    assert_eq!(made, "OK");
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

/// The keyspaces of one test function, which others run many times.
struct Keyspaces {
    in_use: Mutex<BTreeSet<String>>,
    used: Mutex<Vec<String>>,
}

impl Keyspaces {
    const fn new() -> Self {
        Self {
            in_use: Mutex::new(BTreeSet::new()),
            used: Mutex::new(Vec::new()),
        }
    }

    /// Leaves a key in a keyspace that is empty and that no other test has.
    async fn use_one(
        &self,
        keyspace: &Keyspace,
        redis: &mut MultiplexedConnection,
    ) -> anyhow::Result<()> {
        let url = keyspace.url().to_owned();
        assert!(self.in_use.lock().unwrap().insert(url.clone()), "{url}");
        assert_eq!(keyspace.key_count().await?, 0);
        let () = redis.set("left", "behind").await?;
        tokio::task::yield_now().await;
        assert_eq!(keyspace.key_count().await?, 1);
        self.in_use.lock().unwrap().remove(&url);
        self.used.lock().unwrap().push(url);
        Ok(())
    }

    /// Returns how many were used, and how many of them were different ones.
    fn used(&self) -> (usize, usize) {
        let used = self.used.lock().unwrap();
        (used.len(), used.iter().collect::<BTreeSet<_>>().len())
    }
}

fn eight_at_a_time(test: fn() -> anyhow::Result<()>, times: usize) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..times).for_each(|_| test().unwrap()));
        }
    });
}

/// How many keyspaces of a server hold keys, as the server says.
async fn filled(redis: &mut MultiplexedConnection) -> anyhow::Result<usize> {
    let about: String = container_test::redis::cmd("INFO")
        .arg("keyspace")
        .query_async(redis)
        .await?;
    let filled = about.lines().filter(|line| line.contains(":keys="));
    Ok(filled.count())
}

static MANY: Keyspaces = Keyspaces::new();

#[container_test(redis(env = ["USED_BY=many tests"]))]
#[ignore = "run by another test, many times"]
async fn has_one_of_many_keyspaces(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    MANY.use_one(&keyspace, &mut redis).await
}

#[container_test(redis(env = ["USED_BY=many tests"]))]
#[ignore = "run by another test, after many"]
async fn finds_all_other_keyspaces_empty(mut redis: MultiplexedConnection) -> anyhow::Result<()> {
    // They are emptied in the background; the list of claims is always there.
    let begun = Instant::now();
    while filled(&mut redis).await? > 1 {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(10), "{waited:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[test]
fn every_test_of_a_process_has_a_keyspace_that_none_had_before_and_that_is_emptied_afterwards() {
    eight_at_a_time(has_one_of_many_keyspaces, 20);
    assert_eq!(MANY.used(), (160, 160));
    finds_all_other_keyspaces_empty().unwrap();
}

static FEW: Keyspaces = Keyspaces::new();

#[container_test(redis(args = ["--databases", "5"]))]
#[ignore = "run by another test, many times"]
async fn has_one_of_four_keyspaces(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    FEW.use_one(&keyspace, &mut redis).await
}

#[test]
fn where_there_are_no_new_keyspaces_old_ones_are_used_again_emptied_and_never_two_at_a_time() {
    eight_at_a_time(has_one_of_four_keyspaces, 5);
    assert_eq!(FEW.used(), (40, 4));
}

static LEFT_BEHIND: Keyspaces = Keyspaces::new();
static OTHERS: Keyspaces = Keyspaces::new();

#[container_test(redis(args = ["--databases", "3"]))]
#[ignore = "run by another test"]
async fn leaves_work_behind(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    LEFT_BEHIND.use_one(&keyspace, &mut redis).await?;
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(5)));
    Ok(())
}

#[container_test(redis(args = ["--databases", "3"]))]
#[ignore = "run by another test, many times"]
async fn has_one_of_two_keyspaces(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    OTHERS.use_one(&keyspace, &mut redis).await
}

#[test]
fn a_keyspace_that_may_still_be_used_goes_to_no_other_test() {
    leaves_work_behind().unwrap();
    for _ in 0..4 {
        has_one_of_two_keyspaces().unwrap();
    }
    assert_eq!(OTHERS.used(), (4, 1));
    let left = LEFT_BEHIND.used.lock().unwrap();
    assert_ne!(left[0], OTHERS.used.lock().unwrap()[0]);
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
    let program = match std::env::var("CONTAINER_TEST_ENGINE") {
        Ok(way) if way != "library" => way,
        _ => "docker".to_owned(),
    };
    let docker = |arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
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
    a_server_of_its_own_refuses_nothing().unwrap();
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
