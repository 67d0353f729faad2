//! `sqlx.toml` means the same as to sqlx.

use std::borrow::Cow;
use std::path::Path;

use container_test::container_test;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator, ResolveConfig, ResolveWith};

/// What sqlx makes of the directory and of all that the file says, but for the characters.
async fn migrator(ignored: &[char]) -> Result<Migrator, MigrateError> {
    let mut config = ResolveConfig::new();
    config.ignore_chars(ignored.iter().copied());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("db");
    let mut migrator = Migrator::new(ResolveWith(directory, config)).await?;
    migrator.dangerous_set_table_name(Cow::Borrowed("audit.applied"));
    Ok(migrator)
}

async fn table_exists(pool: &PgPool, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(pool)
        .await
}

async fn applied(pool: &PgPool) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar("SELECT version FROM audit.applied ORDER BY version")
        .fetch_all(pool)
        .await
}

#[container_test(postgres)]
async fn names_directory_table_and_schemas(pool: PgPool) -> sqlx::Result<()> {
    let items: Vec<String> = sqlx::query_scalar("SELECT name FROM shop.items")
        .fetch_all(&pool)
        .await?;
    assert_eq!(items, ["tea"]);
    assert_eq!(applied(&pool).await?, [1, 2]);
    assert!(!table_exists(&pool, "_sqlx_migrations").await?);
    Ok(())
}

#[container_test(postgres)]
async fn sqlx_finds_all_migrations_applied(pool: PgPool) -> anyhow::Result<()> {
    migrator(&['\t', ' ']).await?.run(&pool).await?;
    assert_eq!(applied(&pool).await?, [1, 2]);
    // With the characters, the files are others.
    let with_them = migrator(&[]).await?.run(&pool).await;
    assert!(
        matches!(with_them, Err(MigrateError::VersionMismatch(1))),
        "{with_them:?}"
    );
    Ok(())
}

#[container_test(postgres, migrations = "other")]
async fn holds_for_another_directory_as_well(pool: PgPool) -> sqlx::Result<()> {
    assert!(table_exists(&pool, "shop.orders").await?);
    assert!(!table_exists(&pool, "shop.items").await?);
    assert_eq!(applied(&pool).await?, [1]);
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn says_nothing_where_there_are_no_migrations(pool: PgPool) -> sqlx::Result<()> {
    assert!(!table_exists(&pool, "audit.applied").await?);
    Ok(())
}
