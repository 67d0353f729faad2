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

use container_test::sqlx::postgres::PgConnectOptions;
use container_test::sqlx::{Connection, PgConnection, PgPool, raw_sql};
use container_test::{Builder, Migrations, Postgres, Redis, TestContext};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

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

fn builder() -> Builder {
    Builder::new("per_test", env!("CARGO_MANIFEST_DIR"))
}

fn with_postgres(recycle: bool) -> Builder {
    let mut postgres = Postgres::default();
    postgres.recycle = recycle;
    postgres.migrations = Migrations::inline([SCHEMA]);
    builder().service(postgres)
}

async fn execute(cx: &TestContext, statements: &'static str) {
    let pool: PgPool = cx.get().await.unwrap();
    black_box(raw_sql(statements).execute(&pool).await.unwrap());
}

fn per_test(criterion: &mut Criterion) {
    let options = with_postgres(true).run(async |cx| cx.get::<PgConnectOptions>().await);
    let server = options.unwrap().database("postgres");
    let runtime = Runtime::new().unwrap();
    criterion.bench_function("connection", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&server).await.unwrap();
                raw_sql("SELECT").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
        });
    });
    let mut test = |name: &str, test: fn() -> Builder, statements: Option<&'static str>| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let ran = test().run(async |cx| {
                    if let Some(statements) = statements {
                        execute(&cx, statements).await;
                    }
                    Ok(())
                });
                ran.unwrap();
            });
        });
    };
    test("claim", || with_postgres(true), None);
    test("proof", || with_postgres(true), Some(READ));
    test("reset", || with_postgres(true), Some(WRITE));
    test("clone", || with_postgres(false), Some(READ));
    test("keyspace", || builder().service(Redis::default()), None);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = per_test
}
criterion_main!(benches);
