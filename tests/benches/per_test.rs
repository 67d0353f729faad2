//! What one test pays, part by part: `cargo bench -p container-test-tests`. Tests follow each other
//! at once, so that what is done in the background after one shows in the next.
//!
//! - `connection`: a bare connection to the same server and one query, for comparison.
//! - `claim`: a test that does nothing with its database.
//! - `proof`: a test that only reads; the database is proven to be as it was.
//! - `reset`: a test that writes to four tables, which are emptied again.
//! - `clone`: a test whose database is never recycled.
//! - `keyspace`: a test that does nothing with its Redis keyspace.
// A benchmark fails with its helpers.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::process::ExitCode;

use container_test::__private::{self as private, Migrations, PostgresOptions, RedisOptions, Test};
use container_test::sqlx::postgres::PgConnectOptions;
use container_test::sqlx::{Connection, PgConnection, PgPool, raw_sql};
use container_test::{Declares, Postgres, Redis, TestContext};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

struct Declared;

impl Declares<Postgres> for Declared {}
impl Declares<Redis> for Declared {}

const SCHEMA: &str = "
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint REFERENCES users);
    CREATE TABLE items (order_id bigint REFERENCES orders, what text);
    CREATE TABLE notes (id int PRIMARY KEY, text text);
    CREATE TABLE roles (id int PRIMARY KEY, name text);
    INSERT INTO roles VALUES (1, 'reader'), (2, 'writer');";

const READ: &str = "SELECT count(*) FROM roles";
const WRITE: &str = "
    INSERT INTO users (name) VALUES ('ada');
    INSERT INTO orders (user_id) SELECT id FROM users;
    INSERT INTO items SELECT id, 'tea' FROM orders;
    INSERT INTO notes VALUES (1, 'a note')";

fn with_postgres(options: PostgresOptions) -> Test {
    Test {
        postgres: Some(options),
        migrations: Migrations::Inline(&[SCHEMA]),
        ..Test::new("per_test", env!("CARGO_MANIFEST_DIR"))
    }
}

fn run(test: &Test, body: impl AsyncFnOnce(TestContext<Declared>)) {
    let code = private::run(*test, Vec::new(), async |cx: TestContext<Declared>| {
        body(cx).await;
        Ok(())
    });
    assert_eq!(code, ExitCode::SUCCESS);
}

async fn execute(cx: &TestContext<Declared>, statements: &'static str) {
    let pool: PgPool = cx.get().await.unwrap();
    black_box(raw_sql(statements).execute(&pool).await.unwrap());
}

fn per_test(criterion: &mut Criterion) {
    let recycled = with_postgres(PostgresOptions::DEFAULT);
    let cloned = with_postgres(PostgresOptions {
        recycle: false,
        ..PostgresOptions::DEFAULT
    });
    let redis = Test {
        redis: Some(RedisOptions::DEFAULT),
        ..Test::new("per_test", env!("CARGO_MANIFEST_DIR"))
    };
    let mut server = None;
    run(&recycled, async |cx| {
        let options: PgConnectOptions = cx.get().await.unwrap();
        server = Some(options.database("postgres"));
    });
    let (server, runtime) = (server.unwrap(), Runtime::new().unwrap());
    criterion.bench_function("connection", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&server).await.unwrap();
                raw_sql("SELECT").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
        });
    });
    let mut test = |name: &str, test: Test, statements: Option<&'static str>| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                run(&test, async |cx| {
                    if let Some(statements) = statements {
                        execute(&cx, statements).await;
                    }
                });
            });
        });
    };
    test("claim", recycled, None);
    test("proof", recycled, Some(READ));
    test("reset", recycled, Some(WRITE));
    test("clone", cloned, Some(READ));
    test("keyspace", redis, None);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = per_test
}
criterion_main!(benches);
