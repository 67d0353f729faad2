//! Where the schema comes from.

use std::sync::atomic::{AtomicUsize, Ordering};

use container_test::sqlx::{Connection, PgConnection, PgPool};
use container_test::{Database, Result, container_test};
use sqlx::migrate::Migrator;

#[container_test(postgres)]
async fn the_directory_migrations_is_the_default(database: Database) -> anyhow::Result<()> {
    assert!(database.table_exists("in_the_default_directory").await?);
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn migrations_can_be_left_out(database: Database) -> anyhow::Result<()> {
    assert!(!database.table_exists("in_the_default_directory").await?);
    Ok(())
}

#[container_test(postgres, migrations = "db/migrations")]
async fn a_directory_is_applied_in_sqlx_layout(pool: PgPool) -> anyhow::Result<()> {
    let total: String = sqlx::query_scalar("SELECT total(1)::text")
        .fetch_one(&pool)
        .await?;
    assert_eq!(total, "0");
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY 1")
        .fetch_all(&pool)
        .await?;
    assert_eq!(versions, [1, 2, 3]);
    Ok(())
}

#[container_test(postgres, migrations = [
    "CREATE TABLE a (id int); CREATE TABLE b (id int);",
    "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$
     BEGIN
         RETURN 2 * n; -- a semicolon; and another
     END $$;
     INSERT INTO a VALUES (twice(21));",
])]
async fn scripts_may_hold_many_statements_and_bodies(pool: PgPool) -> anyhow::Result<()> {
    let n: i32 = sqlx::query_scalar("SELECT id FROM a")
        .fetch_one(&pool)
        .await?;
    assert_eq!(n, 42);
    Ok(())
}

/// A server may end sessions that do nothing for a second, such as the one that waits for this.
#[container_test(postgres, migrations = ["SELECT pg_sleep(0.8)", "SELECT pg_sleep(0.8)", "CREATE TABLE slow (id int)"])]
async fn migrations_may_take_a_while(database: Database) -> anyhow::Result<()> {
    assert!(database.table_exists("slow").await?);
    Ok(())
}

#[container_test(postgres(database = "Shop-App"), migrations = false)]
async fn a_database_is_named_as_asked_for(pool: PgPool) -> anyhow::Result<()> {
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&pool)
        .await?;
    assert!(name.starts_with("ct_shop_app_"), "{name}");
    Ok(())
}

static MIGRATOR: Migrator = sqlx::migrate!("db/migrations");

#[container_test(postgres, migrations = MIGRATOR)]
async fn a_migrator_is_run(database: Database, pool: PgPool) -> anyhow::Result<()> {
    assert!(database.table_exists("accounts").await?);
    MIGRATOR.run(&pool).await?;
    Ok(())
}

async fn create_notes(database: Database) -> sqlx::Result<()> {
    sqlx::raw_sql("CREATE TABLE notes (id serial); INSERT INTO notes DEFAULT VALUES")
        .execute(database.pool())
        .await
        .map(|_| ())
}

#[container_test(postgres, migrations = create_notes)]
async fn a_function_makes_the_schema(database: Database) -> anyhow::Result<()> {
    assert_eq!(database.row_count("notes").await?, 1);
    Ok(())
}

/// A client that blocks has a runtime of its own.
// The argument is given by value.
#[allow(clippy::needless_pass_by_value)]
fn block(database: Database) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(database.url()).await?;
        sqlx::raw_sql("CREATE TABLE blocked (id int)")
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    })
}

#[container_test(postgres, migrations = self::block)]
async fn a_plain_function_makes_the_schema(database: Database) -> anyhow::Result<()> {
    assert!(database.table_exists("blocked").await?);
    Ok(())
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

async fn count_calls(database: Database) -> anyhow::Result<()> {
    CALLS.fetch_add(1, Ordering::Relaxed);
    create_notes(database).await?;
    Ok(())
}

#[container_test(postgres, migrations = count_calls)]
#[case(1)]
#[case(2)]
async fn a_function_is_called_once_for_all_tests(#[case] n: i64, database: Database) -> Result<()> {
    // Another run of this program may have made the template.
    assert!(CALLS.load(Ordering::Relaxed) <= 1, "{n}");
    assert_eq!(database.row_count("notes").await?, 1);
    Ok(())
}
