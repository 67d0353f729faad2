//! Runtimes, outcomes, attributes.

use std::process::ExitCode;
use std::time::Duration;

use container_test::sqlx::PgPool;
use container_test::{TestContext, container_test};

#[container_test(
    postgres,
    migrations = false,
    flavor = "multi_thread",
    worker_threads = 3
)]
async fn the_body_runs_on_the_runtime_that_is_asked_for(pool: PgPool) -> anyhow::Result<()> {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 3);
    let task = tokio::spawn(async move {
        sqlx::query_scalar::<_, i32>("SELECT 1")
            .fetch_one(&pool)
            .await
    });
    // Only another thread can finish it while this one is blocked.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(task.await??, 1);
    Ok(())
}

#[container_test(timeout = "30s")]
async fn a_body_within_its_timeout_passes(_cx: TestContext) -> ExitCode {
    tokio::time::sleep(Duration::from_millis(1)).await;
    ExitCode::SUCCESS
}

#[container_test(postgres, migrations = false)]
#[should_panic(expected = "as expected")]
async fn a_body_may_be_expected_to_panic(pool: PgPool) {
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    panic!("as expected");
}
