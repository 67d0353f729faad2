//! A test's database is what its migrations made, also beside its tables; on servers of ours.
// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

mod chains;
mod of_server;
mod roles;

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use container_test::redis::AsyncCommands;
use container_test::redis::aio::MultiplexedConnection;
use container_test::sqlx::{self, PgPool, Row, raw_sql};
use container_test::{Database, Keyspace, TestContext, container_test};

async fn text(pool: &PgPool, query: &'static str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(query).fetch_one(pool).await
}

/// Changes what the server knows of a database beside its contents.
const PROPERTIES: &str = "
    CREATE SCHEMA shop;
    CREATE TABLE shop.items (id int);
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = shop, public', current_database());
        EXECUTE format('ALTER DATABASE %I SET app.greeting = %L', current_database(), 'it''s me');
        EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem = %L', current_database(), '7MB');
        EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), 'the shop''s own');
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CREATE ON DATABASE %I TO PUBLIC', current_database());
        EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 40', current_database());
    END $$";

async fn has_its_properties(pool: PgPool) -> anyhow::Result<()> {
    const COMMENT: &str = "SELECT shobj_description(oid, 'pg_database') FROM pg_database
                           WHERE datname = current_database()";
    const LIMIT: &str =
        "SELECT datconnlimit::text FROM pg_database WHERE datname = current_database()";
    const RIGHTS: &str = "
        SELECT (SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type)
                FROM aclexplode(datacl) WHERE grantee = 0)
        FROM pg_database WHERE datname = current_database()";
    assert_eq!(
        text(&pool, "SHOW search_path").await?.as_deref(),
        Some("shop, public")
    );
    assert_eq!(
        text(&pool, "SELECT current_setting('app.greeting')")
            .await?
            .as_deref(),
        Some("it's me")
    );
    assert_eq!(text(&pool, "SHOW work_mem").await?.as_deref(), Some("7MB"));
    assert_eq!(
        text(&pool, COMMENT).await?.as_deref(),
        Some("the shop's own")
    );
    assert_eq!(text(&pool, LIMIT).await?.as_deref(), Some("40"));
    assert_eq!(
        text(&pool, RIGHTS).await?.as_deref(),
        Some("CONNECT CREATE")
    );
    raw_sql("INSERT INTO items VALUES (1)")
        .execute(&pool)
        .await?;
    Ok(())
}

macro_rules! several_times {
    ($($name:ident)*) => {$(
        #[container_test(postgres, migrations = [PROPERTIES])]
        async fn $name(pool: PgPool) -> anyhow::Result<()> {
            has_its_properties(pool).await
        }
    )*};
}

// The first gets a new clone, later ones may get a database that was reset.
several_times! { the_first_has_its_properties the_second_has_its_properties the_third_has_its_properties }

#[container_test(
    postgres,
    migrations = ["ALTER ROLE CURRENT_USER SET search_path = pg_catalog; ALTER ROLE CURRENT_USER SET statement_timeout = '7min'"]
)]
async fn a_setting_of_the_role_holds_in_the_databases_of_its_migrations(
    pool: PgPool,
) -> anyhow::Result<()> {
    // The role of a server given by URL may have settings of its own.
    const ELSEWHERE: &str = "
        SELECT count(*)::text FROM pg_db_role_setting, unnest(setconfig) setting
        WHERE setdatabase = 0 AND setting IN ('search_path=pg_catalog', 'statement_timeout=7min')";
    assert_eq!(
        text(&pool, "SHOW search_path").await?.as_deref(),
        Some("pg_catalog")
    );
    assert_eq!(
        text(&pool, "SHOW statement_timeout").await?.as_deref(),
        Some("7min")
    );
    assert_eq!(text(&pool, ELSEWHERE).await?.as_deref(), Some("0"));
    Ok(())
}

/// Fails if sessions in other databases have what the migration before has set.
const ELSEWHERE: &str = "DO $$ BEGIN
    ASSERT current_setting('search_path') NOT LIKE '%only_here%';
    ASSERT NOT EXISTS (SELECT FROM pg_db_role_setting
                       WHERE setdatabase = 0 AND setconfig::text LIKE '%only_here%');
    ASSERT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                   WHERE d.datname = current_database() AND setconfig::text LIKE '%only_here%');
END $$";

async fn has_its_search_path(pool: PgPool) -> anyhow::Result<()> {
    let path = text(&pool, "SHOW search_path").await?;
    assert_eq!(path.as_deref(), Some("only_here, public"));
    Ok(())
}

#[container_test(postgres, migrations = ["ALTER ROLE CURRENT_USER SET search_path = only_here, public", ELSEWHERE])]
async fn a_setting_of_the_role_is_nowhere_else_while_migrations_run(
    pool: PgPool,
) -> anyhow::Result<()> {
    has_its_search_path(pool).await
}

#[container_test(postgres, migrations = "role_settings")]
async fn a_setting_of_the_role_is_nowhere_else_while_files_are_applied(
    pool: PgPool,
) -> anyhow::Result<()> {
    has_its_search_path(pool).await
}

static DRAWS: Mutex<Vec<f64>> = Mutex::new(Vec::new());

async fn draws_its_own_number(pool: PgPool) -> anyhow::Result<()> {
    let drawn: Vec<f64> = sqlx::query_scalar("SELECT number FROM draws")
        .fetch_all(&pool)
        .await?;
    assert_eq!(drawn.len(), 1);
    let mut draws = DRAWS.lock().unwrap();
    assert!(!draws.contains(&drawn[0]), "another test drew {}", drawn[0]);
    draws.push(drawn[0]);
    Ok(())
}

macro_rules! draws {
    ($($name:ident)*) => {$(
        #[container_test(postgres, migrations = ["CREATE TABLE draws (number float8)"], seeds("draw"))]
        async fn $name(pool: PgPool) -> anyhow::Result<()> {
            draws_its_own_number(pool).await
        }
    )*};
}

draws! { a_seed_that_draws_is_applied_to_the_first a_seed_that_draws_is_applied_to_the_second }

/// Numbers that tests have found in their databases.
struct Numbers(Mutex<Vec<f64>>);

impl Numbers {
    /// Notes the number of a test's database.
    async fn note(&self, pool: &PgPool) -> anyhow::Result<()> {
        let number: f64 = sqlx::query_scalar("SELECT number FROM draws")
            .fetch_one(pool)
            .await?;
        let mut numbers = self.0.lock().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
        Ok(())
    }
}

/// A function of the user's, which hides that it draws.
const LOTTERY: &str = "
    CREATE TABLE draws (number float8);
    CREATE FUNCTION lot() RETURNS float8 LANGUAGE sql AS 'SELECT random()'";

static IN_TEMPLATE: Numbers = Numbers(Mutex::new(Vec::new()));
static PER_TEST: Numbers = Numbers(Mutex::new(Vec::new()));
static BY_DEFAULT: Numbers = Numbers(Mutex::new(Vec::new()));

macro_rules! lots {
    ($($name:ident $numbers:ident $different:literal ($($option:tt)*) $seed:literal)*) => {$(
        #[container_test(postgres($($option)*), migrations = [LOTTERY], seeds($seed))]
        #[ignore = "run by another test, several times"]
        async fn $name(pool: PgPool) -> anyhow::Result<()> {
            $numbers.note(&pool).await
        }
    )*

        #[test]
        fn a_test_says_whether_seeds_are_in_its_template() {
            $(
                for _ in 0..3 {
                    $name().unwrap();
                }
                let numbers = $numbers.0.lock().unwrap();
                assert_eq!(numbers.len(), $different, "{}", stringify!($name));
            )*
        }
    };
}

lots! {
    a_seed_that_is_to_be_in_the_template_is_applied_once IN_TEMPLATE 1 (template_seeds = true) "draw"
    a_seed_that_is_to_be_applied_per_test_is PER_TEST 3 (template_seeds = false) "lot"
    a_seed_that_shows_nothing_of_the_clock_is_in_the_template BY_DEFAULT 1 () "lot"
}

/// Members see what is their own; a superuser would see everything.
const POLICY: &str = "
    CREATE TABLE notes (owner text, text citext);
    INSERT INTO notes VALUES ('ada', 'hers'), ('grace', 'hers, too');
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    ALTER TABLE notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes USING (owner = current_setting('app.member', true))";

#[container_test(postgres(user = "shop", extensions = ["citext"]), migrations = [POLICY])]
async fn a_user_is_an_ordinary_role_that_owns_its_database(pool: PgPool) -> anyhow::Result<()> {
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(&pool)
        .await?;
    assert_eq!(seen, 0, "a policy was passed by");
    let row = sqlx::query(
        "SELECT rolsuper, pg_get_userbyid(datdba) = current_user AS owns, tableowner = current_user AS made
         FROM pg_roles, pg_database, pg_tables
         WHERE rolname = current_user AND datname = current_database() AND tablename = 'notes'",
    );
    let row = row.fetch_one(&pool).await?;
    assert!(!row.get::<bool, _>("rolsuper"));
    assert!(row.get::<bool, _>("owns") && row.get::<bool, _>("made"));
    Ok(())
}

#[container_test(
    postgres(isolation = "server", database = "shop"),
    migrations = ["GRANT CONNECT ON DATABASE shop TO PUBLIC; CREATE TABLE items (id int)"]
)]
async fn migrations_of_a_server_of_its_own_run_in_the_database_they_name(
    pool: PgPool,
) -> anyhow::Result<()> {
    assert_eq!(
        text(&pool, "SELECT current_database()").await?.as_deref(),
        Some("shop")
    );
    let databases = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'ct\\_%'";
    assert_eq!(text(&pool, databases).await?.as_deref(), Some("0"));
    Ok(())
}

#[container_test(redis(isolation = "server", args = ["--notify-keyspace-events", "KEA"]))]
async fn a_redis_server_of_its_own_has_database_0(
    keyspace: Keyspace,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    assert!(keyspace.url().ends_with("/0"), "the number is another");
    let client = container_test::redis::Client::open(keyspace.url())?;
    let mut events = client.get_connection()?;
    let mut events = events.as_pubsub();
    events.subscribe("__keyevent@0__:set")?;
    let () = redis.set("a", 1).await?;
    events.set_read_timeout(Some(Duration::from_secs(10)))?;
    assert_eq!(events.get_message()?.get_payload::<String>()?, "a");
    Ok(())
}

#[container_test(postgres(database = "Odd name's"), migrations = false)]
async fn the_url_is_one_that_libpq_takes(database: Database) -> anyhow::Result<()> {
    let asked = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--command",
            "SELECT current_database()",
        ])
        .arg(database.url())
        .output()?;
    let said = String::from_utf8(asked.stdout)?;
    assert!(
        said.starts_with("ct_odd_name_s_"),
        "{said} {:?}",
        asked.stderr
    );
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn the_pool_replaces_connections_that_the_server_has_ended(
    pool: PgPool,
) -> anyhow::Result<()> {
    for _ in 0..3 {
        let ended = raw_sql("SELECT pg_terminate_backend(pg_backend_pid())")
            .execute(&pool)
            .await;
        assert!(ended.is_err());
        raw_sql("SELECT").execute(&pool).await?;
    }
    // All at once, as a server that restarts does.
    let held = [pool.acquire().await?, pool.acquire().await?];
    drop(held);
    raw_sql("SELECT").execute(&pool).await?;
    Ok(())
}

#[container_test(postgres(max_connections = 2), migrations = false)]
async fn a_test_says_how_many_connections_its_pool_opens(pool: PgPool) {
    assert_eq!(pool.options().get_max_connections(), 2);
}

#[container_test(postgres, migrations = false)]
async fn the_pool_has_the_same_size_on_every_provider(pool: PgPool) {
    assert_eq!(pool.options().get_max_connections(), 5);
}

#[container_test(timeout = "30s")]
async fn a_paused_clock_does_not_end_a_test() {
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[container_test(postgres, redis, migrations = ["CREATE TABLE marks (text text)"], seeds("marked.sql", "marked.redis"))]
async fn seeds_may_begin_with_a_byte_order_mark(
    database: Database,
    mut redis: MultiplexedConnection,
) -> anyhow::Result<()> {
    assert_eq!(database.row_count("marks").await?, 1);
    assert_eq!(redis.get::<_, String>("marked").await?, "yes");
    Ok(())
}

#[container_test(postgres, migrations = false, seeds("dumped", "after_dump"))]
async fn each_file_starts_with_the_defaults_of_a_session(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("dumped").await?, 1);
    Ok(())
}

#[container_test(postgres, migrations = "dumped")]
async fn each_migration_starts_with_the_defaults_of_a_session(
    database: Database,
) -> anyhow::Result<()> {
    assert!(database.table_exists("dumped").await? && database.table_exists("after_dump").await?);
    assert_eq!(database.row_count("_sqlx_migrations").await?, 2);
    Ok(())
}

#[container_test(orders = postgres(migrations = ["CREATE TABLE orders (id int)"]),
    billing = postgres(migrations = ["CREATE TABLE invoices (id int)"]))]
async fn two_databases_have_a_schema_each(
    #[from(orders)] orders: Database,
    #[from(billing)] billing: Database,
    cx: TestContext,
) -> anyhow::Result<()> {
    assert!(orders.table_exists("orders").await? && !orders.table_exists("invoices").await?);
    assert!(billing.table_exists("invoices").await? && !billing.table_exists("orders").await?);
    let either = cx.get::<PgPool>().await.unwrap_err().report();
    assert!(either.contains("orders, billing"), "{either}");
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn the_context_gives_what_the_test_declares(cx: TestContext) -> anyhow::Result<()> {
    let pool: PgPool = cx.get().await?;
    raw_sql("SELECT").execute(&pool).await?;
    let undeclared = cx.get::<Keyspace>().await.unwrap_err().report();
    assert!(
        undeclared.contains("add `redis` to the attribute"),
        "{undeclared}"
    );
    Ok(())
}
