//! Keeps the servers of `KEEP_POSTGRES` and `KEEP_REDIS` running for as long as its standard input
//! is open, and does there what it reads from it:
//!
//! - `prepare`: makes the floor's database and the template of the clones,
//! - `watch`: starts counting the tests' databases,
//! - `report`: prints the most that were there at once, and their bytes.

use std::io::BufRead;
use std::time::Duration;

use container_test_bench::{FLOOR, MIGRATOR, TEMPLATE, url_of, variable};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Templates and the registry are there whatever the tests do.
const DATABASES: &str = "
    FROM pg_database
    WHERE NOT datistemplate AND datname NOT IN ('postgres', 'container_test_4')";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut postgres = PgConnection::connect(&variable("KEEP_POSTGRES")).await?;
    let redis = redis::Client::open(variable("KEEP_REDIS"))?;
    let _redis = redis.get_multiplexed_async_connection().await?;
    let version: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&mut postgres)
        .await?;
    println!("{version}");

    let mut words = words();
    let (mut watching, mut most, mut most_bytes) = (false, 0_i64, 0_i64);
    loop {
        let word = tokio::select! {
            word = words.recv() => word,
            () = tokio::time::sleep(Duration::from_millis(20)), if watching => {
                let count = format!("SELECT count(*) {DATABASES}");
                most = most.max(sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut postgres).await?);
                let sizes = format!("SELECT sum(pg_database_size(oid))::bigint {DATABASES}");
                // Fails where a database goes while it is measured.
                if let Ok(row) = postgres.fetch_one(AssertSqlSafe(sizes)).await {
                    most_bytes = most_bytes.max(row.try_get(0).unwrap_or(0));
                }
                continue;
            }
        };
        match word.as_deref() {
            None => return Ok(()),
            Some("prepare") => {
                prepare(&mut postgres).await?;
                println!("prepared");
            }
            Some("watch") => (watching, most, most_bytes) = (true, 0, 0),
            Some(_) => {
                println!("{most} {most_bytes}");
                watching = false;
            }
        }
    }
}

/// Lines of the standard input; the channel closes at its end.
fn words() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_ok_and(|line| sender.send(line).is_err()) {
                break;
            }
        }
    });
    receiver
}

async fn prepare(postgres: &mut PgConnection) -> Result<()> {
    for database in [FLOOR, TEMPLATE] {
        postgres
            .execute(AssertSqlSafe(format!("CREATE DATABASE {database}")))
            .await?;
        let mut connection = PgConnection::connect(&url_of(database)).await?;
        MIGRATOR.run(&mut connection).await?;
        connection.close().await?;
    }
    Ok(())
}
