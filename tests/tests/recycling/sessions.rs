//! A test's session shows nothing of what earlier tests did in it.

use std::mem::swap;

use container_test::sqlx::pool::PoolConnection;
use container_test::sqlx::{
    self, AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, raw_sql,
};
use container_test::{Database, TestContext};

use crate::harness::{Line, is_recycled, number_of, options, registry, wait};

/// What tests leave in a session needs this in its database.
const SCHEMA: &str =
    "CREATE EXTENSION dblink; CREATE SEQUENCE numbers; CREATE TABLE notes (id int)";

/// What a test does in its session, `{url}` standing for its server; what shows that to the next
/// test, and what must be seen.
const STATES: [(&str, &str, &str); 15] = [
    (
        "SELECT dblink_connect('kept', '{url}')",
        "SELECT coalesce(array_to_string(dblink_get_connections(), ','), 'none')",
        "none",
    ),
    (
        "SELECT pg_replication_origin_create('kept'); SELECT pg_replication_origin_session_setup('kept')",
        "SELECT pg_replication_origin_session_is_setup()::text",
        "false",
    ),
    (
        "SELECT nextval('numbers')",
        "SELECT currval('numbers')::text",
        "55000",
    ),
    (
        "SELECT nextval('numbers')",
        "SELECT lastval()::text",
        "55000",
    ),
    (
        "SELECT pg_advisory_lock(4711)",
        "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
        "0",
    ),
    (
        "LISTEN kept",
        "SELECT count(*)::text FROM pg_listening_channels()",
        "0",
    ),
    (
        "CREATE TEMP TABLE kept (id int)",
        "SELECT coalesce(to_regclass('kept')::text, 'none')",
        "none",
    ),
    (
        "PREPARE kept AS SELECT 1",
        "SELECT count(*)::text FROM pg_prepared_statements WHERE name = 'kept'",
        "0",
    ),
    (
        "BEGIN; DECLARE kept CURSOR WITH HOLD FOR SELECT 1; COMMIT",
        "SELECT count(*)::text FROM pg_cursors WHERE name = 'kept'",
        "0",
    ),
    (
        "SET ROLE pg_monitor",
        "SELECT current_user || ' ' || session_user",
        "postgres postgres",
    ),
    (
        "SET SESSION AUTHORIZATION pg_monitor",
        "SELECT current_user || ' ' || session_user",
        "postgres postgres",
    ),
    (
        "SET app.kept = 'ada'",
        "SELECT coalesce(current_setting('app.kept', true), 'unknown')",
        "unknown",
    ),
    (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
        "SELECT concat_ws(' ', current_setting('transaction_read_only'), current_setting('transaction_isolation'))",
        "off read committed",
    ),
    (
        "SET client_encoding = 'LATIN1'",
        "SHOW client_encoding",
        "UTF8",
    ),
    (
        "BEGIN; INSERT INTO notes VALUES (1)",
        "SELECT count(*)::text FROM pg_locks WHERE locktype = 'transactionid' AND pid = pg_backend_pid()",
        "0",
    ),
];

type Session = PoolConnection<Postgres>;

/// The session that the test begins with.
async fn session(cx: &TestContext) -> Session {
    cx.get().await.unwrap()
}

async fn execute(session: &mut Session, script: &str) {
    let script = raw_sql(AssertSqlSafe(script.to_owned()));
    script.execute(&mut **session).await.unwrap();
}

/// What a query gives: a value, or an error's code.
async fn see(session: &mut Session, query: &str) -> String {
    let seen = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
    match seen.fetch_one(&mut **session).await {
        Ok(value) => value,
        Err(error) => {
            let error = error.into_database_error().unwrap();
            error.code().unwrap().into_owned()
        }
    }
}

#[test]
fn what_a_test_leaves_in_its_session_does_not_show_in_the_next() {
    let line = Line::new("states").with_schema(SCHEMA);
    // The server's own address, as seen from within.
    let (_, (url, port)) = line.test(async |cx| {
        let url = cx.get::<Database>().await.unwrap().url().to_owned();
        (url, see(&mut session(&cx).await, "SHOW port").await)
    });
    let (user, _) = url.split_once('@').unwrap();
    let url = format!("{user}@127.0.0.1:{port}/postgres");
    for (leaves, query, expected) in STATES {
        let leaves = leaves.replace("{url}", &url);
        let (database, before) = line.test(async |cx| {
            let mut session = session(&cx).await;
            let before = see(&mut session, query).await;
            execute(&mut session, &leaves).await;
            let after = see(&mut session, query).await;
            assert_ne!(after, before, "it does nothing: {leaves}");
            before
        });
        assert_eq!(before, expected, "before {leaves}");
        // If it was dropped, the session has ended.
        let seen = if is_recycled(&database) {
            line.test_on(&database, async |cx| {
                see(&mut session(&cx).await, query).await
            })
        } else {
            line.test(async |cx| see(&mut session(&cx).await, query).await)
                .1
        };
        assert_eq!(seen, expected, "after {leaves}");
    }
    // It belongs to the server.
    line.test(async |cx| {
        let drop = "SELECT pg_replication_origin_drop('kept')";
        execute(&mut session(&cx).await, drop).await;
    });
}

#[test]
fn a_seed_that_a_test_has_set_does_not_show_in_the_next() {
    const DRAW: &str = "SELECT random()::text || random()";
    let line = Line::new("seed");
    // What a session draws after the seed, by one that is not the next test's.
    let (database, seeded) = line.test(async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        let mut session = pool.acquire().await.unwrap();
        let mut other = pool.acquire().await.unwrap();
        for connection in [&mut session, &mut other] {
            let seed = raw_sql("SELECT setseed(0.5)");
            seed.execute(&mut **connection).await.unwrap();
        }
        let drawn: String = sqlx::query_scalar(DRAW)
            .fetch_one(&mut *other)
            .await
            .unwrap();
        drawn
    });
    assert!(is_recycled(&database));
    let drawn = line.test_on(&database, async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        let drawn: String = sqlx::query_scalar(DRAW).fetch_one(&pool).await.unwrap();
        drawn
    });
    assert_ne!(drawn, seeded);
}

#[test]
fn a_session_of_another_database_does_not_stand_for_that_of_the_test() {
    let line = Line::new("swapped");
    let postgres = || {
        wait(async {
            let mut connection = registry().await;
            let number = number_of(&mut connection, "postgres").await;
            connection.close().await.unwrap();
            number
        })
    };
    let (first, ()) = line.test(async |_| ());
    assert!(is_recycled(&first));
    let before = postgres();
    let (database, ()) = line.test(async |cx| {
        let mut session = session(&cx).await;
        execute(&mut session, "CREATE TABLE left_behind ()").await;
        let elsewhere = options(&cx).await.database("postgres");
        let mut other = PgConnection::connect_with(&elsewhere).await.unwrap();
        swap(&mut *session, &mut other);
        other.close().await.unwrap();
    });
    assert!(
        !is_recycled(&database),
        "as it is, it went to the next test"
    );
    assert_eq!(postgres(), before);
}

#[test]
fn a_pool_that_is_told_to_connect_in_another_way_ends_the_database() {
    let line = Line::new("told");
    let (database, ()) = line.test(async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        let uncounted = options(&cx).await.options([("track_counts", "off")]);
        pool.set_connect_options(uncounted);
        let _session = pool.acquire().await.unwrap();
        let mut other = pool.acquire().await.unwrap();
        execute(&mut other, "INSERT INTO letters VALUES (1, 'uncounted')").await;
    });
    assert!(!is_recycled(&database), "its rows went to the next test");
}
