//! What every contender runs, and the clock that looks at it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use redis::aio::MultiplexedConnection;
use sqlx::migrate::Migrator;
use sqlx::{PgConnection, Result};

/// The schema: 20 tables, 40 indexes, foreign keys, an enum, a trigger, a few rows.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The database that the floor connects to, and the one that a clone per test copies.
pub const FLOOR: &str = "bench_floor";
pub const TEMPLATE: &str = "bench_template";

/// A variable that the benchmark sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run scripts/bench"))
}

/// The URL of another database on the server of `DATABASE_URL`.
pub fn url_of(database: &str) -> String {
    let url = variable("DATABASE_URL");
    let (server, path) = url.rsplit_once('/').expect("a URL with a database");
    let query = path.find('?').map_or("", |at| &path[at..]);
    format!("{server}/{database}{query}")
}

/// Nanoseconds since 1970: a clock that the benchmark and all its processes share.
pub fn now() -> u128 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock that is set")
        .as_nanos()
}

/// Five small queries; `start` is when the test's body began.
pub async fn workload(start: u128, connection: &mut PgConnection) -> Result<()> {
    // Two tests may well start in the same instant.
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let (product, price): (i64, i64) =
        sqlx::query_as("SELECT id, price_cents FROM products WHERE sku = $1")
            .bind("books-1")
            .fetch_one(&mut *connection)
            .await?;
    let first_answer = now();
    let customer: i64 = sqlx::query_scalar(
        "INSERT INTO customers (email, name, country) VALUES ($1, 'Ada', 'DE') RETURNING id",
    )
    .bind(format!("{start}-{}-{number}@example.org", std::process::id()))
    .fetch_one(&mut *connection)
    .await?;
    let order: i64 =
        sqlx::query_scalar("INSERT INTO orders (customer_id) VALUES ($1) RETURNING id")
            .bind(customer)
            .fetch_one(&mut *connection)
            .await?;
    sqlx::query(
        "INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES ($1, $2, 2, $3)",
    )
    .bind(order)
    .bind(product)
    .bind(price)
    .execute(&mut *connection)
    .await?;
    let total: i64 = sqlx::query_scalar(
        "SELECT o.total_cents FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = $1",
    )
    .bind(customer)
    .fetch_one(&mut *connection)
    .await?;
    assert_eq!(total, 2 * price);
    record(start, first_answer);
    Ok(())
}

/// Two commands on Redis.
pub async fn commands(start: u128, redis: &mut MultiplexedConnection) -> redis::RedisResult<()> {
    let key = format!("bench:{start}");
    let () = redis::cmd("SET")
        .arg(&key)
        .arg(1)
        .query_async(redis)
        .await?;
    let first_answer = now();
    let value: i64 = redis::cmd("GETDEL").arg(&key).query_async(redis).await?;
    assert_eq!(value, 1);
    record(start, first_answer);
    Ok(())
}

/// Appends a line to the file of times: start of the body, first answer, end of the body.
/// Everything after it, cleaning up as well, counts for the next test.
pub fn record(start: u128, first_answer: u128) {
    static TIMES: OnceLock<Option<File>> = OnceLock::new();
    let times = TIMES.get_or_init(|| {
        let path = std::env::var_os("BENCH_TIMES")?;
        Some(
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .expect("a file for times"),
        )
    });
    if let Some(mut file) = times.as_ref() {
        let line = format!("{start} {first_answer} {}\n", now());
        file.write_all(line.as_bytes()).expect("room for times");
    }
}
