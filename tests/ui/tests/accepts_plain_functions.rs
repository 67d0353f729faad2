use std::process::ExitCode;

use container_test::redis::Client;
use container_test::sqlx::PgPool;
use container_test::{Database, container_test};

#[container_test(postgres)]
fn takes_a_handle(database: Database) {
    assert!(database.url().starts_with("postgres://"));
}

#[container_test(postgres, redis, timeout = "30s", flavor = "multi_thread")]
fn takes_several(mut pool: PgPool, _: Client) -> anyhow::Result<()> {
    pool.clone_from(&pool.clone());
    Ok(())
}

#[container_test]
fn takes_nothing() -> ExitCode {
    ExitCode::SUCCESS
}

#[container_test]
fn never() -> ! {
    std::process::exit(0)
}

#[container_test]
#[should_panic = "as it should"]
fn panics() {
    panic!("as it should");
}

#[container_test(postgres, redis, seeds(insert_user, forget, empty))]
async fn is_seeded_by_plain_functions() {}

fn insert_user(_pool: PgPool, _database: Database) -> Result<(), String> {
    Err("no".to_owned())
}

fn forget(redis: Client) {
    drop(redis);
}

fn empty() {}
