//! One mistake a test.

use container_test::container_test;
use container_test::sqlx::{self, PgPool};

#[container_test(postgres, migrations = "wrong/syntax")]
async fn file_with_a_syntax_error() {}

#[container_test(postgres, migrations = "wrong/body")]
async fn file_with_an_error_in_a_function_body() {}

#[container_test(postgres, migrations = "wrong/duplicate")]
async fn file_with_a_duplicate_row() {}

#[container_test(postgres, migrations = "wrong/deleted")]
async fn file_directory_that_was_deleted() {}

#[container_test(postgres, migrations = ["CREATE TABLE users (id int PRIMARY KEY)"], seeds("misspelt"))]
async fn file_of_seeds_with_a_misspelt_column() {}

#[container_test(postgres, migrations = ["CREATE TABLE users (id int PRIMARY KEY)"], seeds("deleted"))]
async fn file_of_seeds_that_was_deleted() {}

#[container_test(redis, seeds("wrong_type.redis"))]
async fn file_of_commands_with_a_wrong_type() {}

#[container_test(postgres, migrations = ["CREATE TABLE a ()", "CREATE TABLE b ();\nCREATE TABLE b ()"])]
async fn inline_migration_with_a_table_that_exists() {}

async fn broken_seed(_pool: PgPool) -> anyhow::Result<()> {
    anyhow::bail!("the seed gave up")
}

#[container_test(postgres, seeds(broken_seed))]
async fn seed_function_that_fails() {}

#[container_test(postgres(image = "127.0.0.1:1/postgres:none"))]
async fn image_that_cannot_be_pulled() {}

#[container_test(postgres(args = ["-c", "no_such_setting=1"]))]
async fn server_that_exits_at_start() {}

#[container_test(postgres(args = ["-c", "listen_addresses=127.0.0.1"], startup_timeout = "8s"))]
async fn port_that_never_answers() {}

#[container_test(postgres)]
async fn engine_that_is_not_there() {}

#[container_test(postgres)]
#[should_panic]
async fn engine_that_is_not_there_is_no_panic() {}

#[container_test(postgres)]
async fn query_that_fails(pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT missing_one").execute(&pool).await?;
    Ok(())
}

#[container_test(postgres)]
async fn query_that_fails_as_well(pool: PgPool) -> anyhow::Result<()> {
    sqlx::query("SELECT missing_two").execute(&pool).await?;
    Ok(())
}

/// Databases of ours that are neither a finished template nor a clone of one.
#[container_test(postgres)]
async fn nothing_half_made_is_left(pool: PgPool) -> anyhow::Result<()> {
    let half_made: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_database
         WHERE datname ~ '^ct_.*_[0-9a-f]{12}$' AND NOT datistemplate",
    )
    .fetch_all(&pool)
    .await?;
    assert_eq!(half_made, [""; 0]);
    Ok(())
}
