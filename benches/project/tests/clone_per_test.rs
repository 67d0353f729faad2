//! A clone of a template per test, written by hand: made when the test starts, dropped at its end.

use container_test_bench::{TEMPLATE, now, url_of, workload};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

async fn with_clone(test: &str) -> sqlx::Result<()> {
    let start = now();
    let database = format!("clone_{test}");
    let mut admin = PgConnection::connect(&url_of("postgres")).await?;
    let create = format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY");
    admin.execute(AssertSqlSafe(create)).await?;
    let mut connection = PgConnection::connect(&url_of(&database)).await?;
    workload(start, &mut connection).await?;
    connection.close().await?;
    // A drop that finds the session still there waits 100 ms for it.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    while sqlx::query_scalar::<_, i64>(sessions)
        .bind(&database)
        .fetch_one(&mut admin)
        .await?
        > 0
    {}
    admin
        .execute(AssertSqlSafe(format!("DROP DATABASE {database}")))
        .await?;
    admin.close().await
}

// Repeated by the benchmark from here on.
#[tokio::test]
async fn t0000() -> sqlx::Result<()> {
    with_clone("t0000").await
}
