//! Attributes of other crates, above and below: each does its work, and the test has what it
//! declares.

use std::sync::atomic::{AtomicBool, Ordering};

use container_test::{Database, Result, container_test, sqlx::PgPool};
use serial_test::{parallel, serial};
use tracing_test::traced_test;

/// Whether one of the tests that run alone runs.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

async fn is_alone(pool: &PgPool) -> anyhow::Result<()> {
    assert!(!OCCUPIED.swap(true, Ordering::SeqCst), "another one runs");
    // Long enough for the others to come, if nothing stops them.
    sqlx::query("SELECT pg_sleep(0.2)").execute(pool).await?;
    OCCUPIED.store(false, Ordering::SeqCst);
    Ok(())
}

#[container_test(postgres)]
#[serial(a_table)]
async fn serial_below(pool: PgPool) -> anyhow::Result<()> {
    is_alone(&pool).await
}

#[container_test(postgres)]
#[case(1)]
#[case(2)]
#[serial(a_table)]
async fn serial_below_cases(#[case] n: i32, pool: PgPool) {
    is_alone(&pool)
        .await
        .unwrap_or_else(|error| panic!("case {n}: {error}"));
}

/// A plain function blocks on a runtime of its own.
#[container_test(postgres)]
#[serial(a_table)]
fn serial_below_a_plain_function(database: Database) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let pool = PgPool::connect(database.url()).await?;
        let alone = is_alone(&pool).await;
        pool.close().await;
        Ok(alone?)
    })
}

#[container_test(postgres)]
#[parallel(a_table)]
async fn parallel_below(_pool: PgPool) {
    assert!(!OCCUPIED.load(Ordering::SeqCst));
}

#[container_test(postgres)]
#[traced_test]
async fn traced_below(pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    tracing::info!("below");
    assert!(logs_contain("below"));
    assert!(!logs_contain("above"));
    Ok(())
}

#[traced_test]
#[container_test(postgres)]
async fn traced_above(pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    tracing::info!("above");
    assert!(logs_contain("above"));
    assert!(!logs_contain("below"));
    Ok(())
}

/// Below, each case would get what the body calls: above, the body gets it.
#[traced_test]
#[container_test(postgres)]
#[case("one")]
#[case("two")]
async fn traced_above_cases(#[case] name: &str, pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    tracing::info!(name);
    assert!(logs_contain(name));
    Ok(())
}

/// Whether the attribute has set up what shows the records of `log`.
fn logs() -> bool {
    log::log_enabled!(log::Level::Info)
}

#[container_test(postgres)]
#[test_log::test]
async fn test_log_below(_pool: PgPool) {
    assert!(logs());
}

#[test_log::test]
#[container_test(postgres)]
async fn test_log_above(_pool: PgPool) {
    assert!(logs());
}

#[test_log::test(container_test(postgres))]
async fn test_log_around(_pool: PgPool) {
    assert!(logs());
}

#[test_log::test]
#[container_test(postgres)]
#[case(1)]
#[case(2)]
async fn test_log_above_cases(#[case] _n: i32, _pool: PgPool) {
    assert!(logs());
}

#[traced_test]
#[container_test(postgres)]
#[test_log::test]
#[serial(a_table)]
async fn several(pool: PgPool) -> anyhow::Result<()> {
    tracing::info!("of several");
    assert!(logs() && logs_contain("of several"));
    is_alone(&pool).await
}
