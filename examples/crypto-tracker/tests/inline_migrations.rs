//! A suite that brings its own schema: no migration files, several statements in one text.

use anyhow::Result;
use container_test::{Database, container_test};
use sqlx::PgPool;

#[container_test(
    postgres,
    migrations = [
        "CREATE TABLE tokens (
             id SERIAL PRIMARY KEY,
             symbol VARCHAR(10) UNIQUE NOT NULL,
             name VARCHAR(100) NOT NULL
         );
         CREATE INDEX idx_tokens_symbol ON tokens (symbol);",
        "INSERT INTO tokens (symbol, name) VALUES ('BTC', 'Bitcoin; the first');",
    ],
)]
async fn the_schema_is_the_one_in_the_attribute(pool: PgPool, database: Database) -> Result<()> {
    let name: String = sqlx::query_scalar("SELECT name FROM tokens WHERE symbol = 'BTC'")
        .fetch_one(&pool)
        .await?;

    assert_eq!(name, "Bitcoin; the first");
    assert!(
        !database.table_exists("users").await?,
        "the directory `migrations` is not used"
    );
    Ok(())
}

// Semicolons inside a function's body end no migration.
#[container_test(
    postgres,
    migrations = [
        "CREATE TABLE tokens (symbol TEXT PRIMARY KEY, price NUMERIC NOT NULL, changes INT NOT NULL DEFAULT 0);
         CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             NEW.changes := OLD.changes + 1;
             RETURN NEW;
         END;
         $$;
         CREATE TRIGGER count_changes BEFORE UPDATE ON tokens
             FOR EACH ROW EXECUTE FUNCTION count_change();",
    ],
)]
async fn triggers_of_the_schema_fire(pool: PgPool) -> Result<()> {
    sqlx::query("INSERT INTO tokens (symbol, price) VALUES ('BTC', 50000)")
        .execute(&pool)
        .await?;

    let changes: i32 = sqlx::query_scalar("UPDATE tokens SET price = price + 1 RETURNING changes")
        .fetch_one(&pool)
        .await?;

    assert_eq!(changes, 1);
    Ok(())
}

#[container_test(postgres, migrations = false)]
async fn without_migrations_the_database_is_empty(database: Database) -> Result<()> {
    assert!(!database.table_exists("tokens").await?);
    Ok(())
}
