//! This crate.

use container_test::container_test;
use container_test_bench::{now, workload};
use sqlx::PgPool;

// Repeated by the benchmark from here on.
#[container_test(postgres)]
async fn t0000(pool: PgPool) -> sqlx::Result<()> {
    let start = now();
    workload(start, &mut *pool.acquire().await?).await
}
