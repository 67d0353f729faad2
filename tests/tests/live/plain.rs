//! Plain functions: clients that block, on no runtime or on one of their own.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use container_test::redis::{Client, Commands};
use container_test::sqlx::PgPool;
use container_test::{Database, FromContext, Result, TestContext, container_test};
use tokio::runtime::{Builder, Handle};

/// Ticks on the test's runtime.
struct Ticks(Receiver<()>);

impl<D> FromContext<D> for Ticks {
    async fn from_context(_: &TestContext<D>) -> Result<Self> {
        let (sender, ticks) = mpsc::channel();
        tokio::spawn(async move {
            while sender.send(()).is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Ok(Self(ticks))
    }
}

impl Ticks {
    fn wait(&self) {
        for _ in 0..3 {
            assert!(self.0.recv_timeout(Duration::from_secs(30)).is_ok());
        }
    }
}

#[container_test(redis)]
fn a_client_that_blocks_is_used(client: Client) -> anyhow::Result<()> {
    assert!(Handle::try_current().is_err());
    let mut connection = client.get_connection()?;
    let () = connection.set("a", 1)?;
    assert_eq!(connection.get::<_, i32>("a")?, 1);
    Ok(())
}

#[container_test(postgres, migrations = ["CREATE TABLE notes (text text)"], timeout = "30s")]
fn a_body_may_have_a_runtime_of_its_own(pool: PgPool, database: Database) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        sqlx::query("INSERT INTO notes VALUES ('a')")
            .execute(&pool)
            .await?;
        assert_eq!(database.row_count("notes").await?, 1);
        Ok(())
    })
}

#[container_test]
fn work_on_a_runtime_with_one_thread_goes_on(ticks: Ticks) {
    ticks.wait();
}

#[container_test(flavor = "multi_thread", worker_threads = 1, timeout = "30s")]
fn work_on_a_runtime_with_several_threads_goes_on(ticks: Ticks) {
    ticks.wait();
}

#[container_test(redis, seeds(remember))]
fn a_plain_function_seeds(client: Client) -> anyhow::Result<()> {
    let remembered: i32 = client.get_connection()?.get("remembered")?;
    assert_eq!(remembered, 1);
    Ok(())
}

// Arguments are injected by value.
#[allow(clippy::needless_pass_by_value)]
fn remember(client: Client) -> container_test::redis::RedisResult<()> {
    // A seed that blocks may have a runtime of its own as well.
    if let Ok(runtime) = Builder::new_current_thread().build() {
        runtime.block_on(async {});
    }
    client.get_connection()?.set("remembered", 1)
}

#[container_test]
#[should_panic(expected = "as expected")]
fn a_plain_body_may_be_expected_to_panic() {
    panic!("as expected");
}
