//! Tests that were written for `#[sqlx::test]`: with the attribute's name changed and `postgres`
//! added, each form means the same.

use container_test::container_test;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Pool, Postgres};

static MIGRATOR: Migrator = sqlx::migrate!("db/migrations");

async fn names(pool: &PgPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM accounts ORDER BY name")
        .fetch_all(pool)
        .await
}

async fn table_exists(pool: &PgPool, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(pool)
        .await
}

#[container_test(postgres)]
async fn without_arguments() {
    tokio::task::yield_now().await;
}

#[container_test(postgres)]
async fn with_the_usual_migrations(pool: Pool<Postgres>) -> sqlx::Result<()> {
    assert!(table_exists(&pool, "in_the_default_directory").await?);
    Ok(())
}

#[container_test(postgres, migrations = "db/migrations")]
async fn with_other_migrations(mut connection: PoolConnection<Postgres>) -> sqlx::Result<()> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts")
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(count, 0);
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn without_migrations(pool: PgPool) -> sqlx::Result<()> {
    assert!(!table_exists(&pool, "in_the_default_directory").await?);
    assert!(!table_exists(&pool, "_sqlx_migrations").await?);
    Ok(())
}

#[container_test(postgres, migrator = "MIGRATOR")]
async fn with_a_migrator(pool: PgPool) -> sqlx::Result<()> {
    // sqlx finds that all of them are applied.
    MIGRATOR.run(&pool).await?;
    assert!(names(&pool).await?.is_empty());
    Ok(())
}

#[container_test(postgres, migrator = "crate::MIGRATOR", fixtures("barbara"))]
async fn with_a_fixture_by_its_name(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(names(&pool).await?, ["barbara"]);
    Ok(())
}

#[container_test(
    postgres,
    migrations = "db/migrations",
    fixtures("./fixtures/barbara.sql", "../tests/live/fixtures/accounts.sql")
)]
async fn with_fixtures_by_their_paths(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(names(&pool).await?.len(), 3);
    Ok(())
}

#[container_test(
    postgres,
    migrations = "db/migrations",
    fixtures(path = "./live/fixtures", scripts("accounts"))
)]
async fn with_fixtures_of_a_folder(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(names(&pool).await?.len(), 2);
    Ok(())
}

#[container_test(
    postgres,
    migrations = "db/migrations",
    fixtures("barbara", "./live/fixtures/accounts.sql"),
    fixtures("../fixtures/payments.sql")
)]
async fn with_names_and_paths_in_one_list(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(names(&pool).await?, ["ada", "barbara", "grace"]);
    let payments: i64 = sqlx::query_scalar("SELECT count(*) FROM payments")
        .fetch_one(&pool)
        .await?;
    assert_eq!(payments, 3);
    Ok(())
}

#[container_test(
    postgres,
    migrations = "db/migrations",
    fixtures("barbara.sql"),
    fixtures(path = "live/fixtures", scripts("accounts.sql")),
    fixtures("../fixtures/payments.sql")
)]
async fn with_several_lists(pool: PgPool) -> sqlx::Result<()> {
    let payments: i64 = sqlx::query_scalar("SELECT count(*) FROM payments")
        .fetch_one(&pool)
        .await?;
    assert_eq!(payments, 3, "the lists are applied in the order written");
    Ok(())
}

#[container_test(postgres, migrations = "db/migrations", fixtures("barbara"))]
async fn with_a_pool_of_its_own(
    options: PgPoolOptions,
    connect: PgConnectOptions,
) -> sqlx::Result<()> {
    let pool = options.max_connections(1).connect_with(connect).await?;
    assert_eq!(names(&pool).await?, ["barbara"]);
    Ok(())
}
