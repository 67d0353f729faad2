//! The floor: a bare connection to one database that all tests share, migrated beforehand.

use container_test_bench::{FLOOR, now, url_of, workload};
use sqlx::{Connection, PgConnection};

// Repeated by the benchmark from here on.
#[tokio::test]
async fn t0000() -> sqlx::Result<()> {
    let start = now();
    let mut connection = PgConnection::connect(&url_of(FLOOR)).await?;
    workload(start, &mut connection).await?;
    connection.close().await
}
