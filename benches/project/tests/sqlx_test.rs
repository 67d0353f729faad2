//! `#[sqlx::test]`: creates a database and migrates it, for every test.

use container_test_bench::{now, workload};
use sqlx::PgPool;

// Repeated by the benchmark from here on.
#[sqlx::test]
async fn t0000(pool: PgPool) -> sqlx::Result<()> {
    let start = now();
    workload(start, &mut *pool.acquire().await?).await
}
