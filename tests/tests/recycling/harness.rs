//! Tests in a row, run by the real runtime, inside one test function.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use container_test::sqlx::postgres::PgConnectOptions;
use container_test::sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use container_test::{Builder, Migrations, Postgres, TestContext};

const SCHEMA: &str = include_str!("schema.sql");

/// Arguments of a server on which transactions can be prepared, and replicated.
const ARGS: [&str; 4] = [
    "-c",
    "max_prepared_transactions=8",
    "-c",
    "wal_level=logical",
];

/// Where the server's processes note which databases are claimed.
static REGISTRY: OnceLock<PgConnectOptions> = OnceLock::new();

/// A connection to where the server's processes note which databases are claimed; only after a
/// test has run.
pub(crate) async fn registry() -> PgConnection {
    let registry = REGISTRY.get().unwrap();
    PgConnection::connect_with(registry).await.unwrap()
}

/// Runs a future on a runtime of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// The number of a database, which stays when it is given on under another name.
pub(crate) async fn number_of(registry: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT oid::text FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(registry)
        .await
        .unwrap()
}

/// The present name of a database, if it is there.
pub(crate) async fn name_of(registry: &mut PgConnection, number: &str) -> Option<String> {
    sqlx::query_scalar("SELECT datname FROM pg_database WHERE oid = $1::text::oid")
        .bind(number)
        .fetch_optional(registry)
        .await
        .unwrap()
}

/// Whether the database, which a test has used, was recycled rather than dropped; waits until
/// that is decided.
pub(crate) fn is_recycled(database: &str) -> bool {
    wait(async {
        let mut connection = registry().await;
        for _ in 0..1_000 {
            let (exists, in_use): (bool, bool) = sqlx::query_as(
                "SELECT EXISTS (SELECT FROM pg_database WHERE oid = $1::text::oid),
                        EXISTS (SELECT FROM claim c JOIN pg_database d ON first_name(d.datname) = c.database
                                WHERE d.oid = $1::text::oid AND NOT c.parked)",
            )
            .bind(database)
            .fetch_one(&mut connection)
            .await
            .unwrap();
            if !exists || !in_use {
                connection.close().await.unwrap();
                return exists && !in_use;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{database} is neither recycled nor dropped");
    })
}

/// How a test connects.
pub(crate) async fn options(cx: &TestContext) -> PgConnectOptions {
    cx.get().await.unwrap()
}

/// The number of a test's database.
pub(crate) async fn number(cx: &TestContext) -> String {
    let options = options(cx).await;
    REGISTRY.get_or_init(|| options.clone().database("container_test_4"));
    let mut registry = registry().await;
    let number = number_of(&mut registry, options.get_database().unwrap()).await;
    registry.close().await.unwrap();
    number
}

/// A line of tests that share a template.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    name: &'static str,
    schema: &'static str,
    recycle: bool,
    seeded: bool,
    apart: bool,
}

impl Line {
    /// A line whose databases no other line gets: they are cloned from a template of its own.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            schema: SCHEMA,
            recycle: true,
            seeded: false,
            apart: false,
        }
    }

    /// What its databases are named after.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// The same line, with a seed file in its template.
    pub(crate) fn with_seed(self) -> Self {
        Self {
            seeded: true,
            ..self
        }
    }

    /// The same line, on a server that no other line uses.
    pub(crate) fn apart(self) -> Self {
        Self {
            apart: true,
            ..self
        }
    }

    /// The same line, with other migrations.
    pub(crate) fn with_schema(self, schema: &'static str) -> Self {
        Self { schema, ..self }
    }

    /// The same line, by tests that say `recycle = false`.
    pub(crate) fn without_recycling(self) -> Self {
        Self {
            recycle: false,
            ..self
        }
    }

    /// Runs one test: provides its database, runs the body, cleans up. Returns the database's
    /// number beside what the body returned.
    pub(crate) fn test<T>(self, body: impl AsyncFnOnce(TestContext) -> T) -> (String, T) {
        let mut postgres = Postgres::default();
        postgres.args = ARGS.map(str::to_owned).to_vec();
        if self.apart {
            postgres
                .args
                .extend(["-c", "cluster_name=apart"].map(str::to_owned));
        }
        postgres.database = Some(self.name.to_owned());
        postgres.recycle = self.recycle;
        postgres.migrations = Migrations::inline([self.schema]);
        let mut test = Builder::new("recycling", env!("CARGO_MANIFEST_DIR")).service(postgres);
        if self.seeded {
            test = test.seed_file("postgres", "tests/recycling/seed.sql");
        }
        test.run(async |cx| {
            let database = number(&cx).await;
            Ok((database, body(cx).await))
        })
        .unwrap()
    }

    /// Runs one test on a database that was recycled; others are out of the way then.
    pub(crate) fn test_on<T>(self, database: &str, body: impl AsyncFn(TestContext) -> T) -> T {
        loop {
            let on_it = async |cx: TestContext| {
                if number(&cx).await == database {
                    return Some(body(cx).await);
                }
                let mut connection: PgConnection = cx.get().await.unwrap();
                raw_sql("CREATE TABLE used ()")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
                None
            };
            if let (_, Some(value)) = self.test(on_it) {
                return value;
            }
        }
    }

    /// Runs one test on a database cloned from the template just for it, by this test itself.
    pub(crate) fn test_on_a_clone<T>(self, body: impl AsyncFnOnce(&mut PgConnection) -> T) -> T {
        let on_clone = async |cx: TestContext| {
            let options = options(&cx).await;
            let database = options.get_database().unwrap();
            let (template, _) = database.rsplit_once('_').unwrap();
            let clone = format!("fresh_{database}");
            let mut admin = PgConnection::connect_with(&options.clone().database("postgres"))
                .await
                .unwrap();
            let mut execute = async |statement: String| {
                raw_sql(AssertSqlSafe(statement))
                    .execute(&mut admin)
                    .await
                    .unwrap();
            };
            execute(format!("DROP DATABASE IF EXISTS {clone} WITH (FORCE)")).await;
            execute(format!("CREATE DATABASE {clone} TEMPLATE {template}")).await;
            let mut connection = PgConnection::connect_with(&options.clone().database(&clone))
                .await
                .unwrap();
            let given = body(&mut connection).await;
            connection.close().await.unwrap();
            execute(format!("DROP DATABASE {clone}")).await;
            given
        };
        self.without_recycling().test(on_clone).1
    }
}
