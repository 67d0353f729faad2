//! What only a real Postgres shows: the schema, its constraints and types, transactions, pools.

use std::time::Duration;

use anyhow::{Context as _, Result};
use container_test::{Database, container_test};
use rust_decimal::Decimal;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Acquire as _, PgConnection, PgPool};

const INSERT_ALERT: &str =
    "INSERT INTO alerts (user_id, symbol, type, threshold) VALUES ($1, 'BTC', 'above', $2)";

#[container_test(postgres)]
async fn the_migrations_create_all_tables(database: Database) -> Result<()> {
    for table in ["users", "tokens", "alerts"] {
        assert!(database.table_exists(table).await?, "{table}");
    }
    assert!(!database.table_exists("prices").await?);
    Ok(())
}

#[container_test(postgres)]
async fn tables_made_by_a_test_are_seen_at_once(pool: PgPool, database: Database) -> Result<()> {
    sqlx::query("CREATE TABLE portfolios (id SERIAL PRIMARY KEY)")
        .execute(&pool)
        .await?;
    assert!(database.table_exists("portfolios").await?);

    sqlx::query("DROP TABLE portfolios").execute(&pool).await?;
    assert!(!database.table_exists("portfolios").await?);
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn an_alert_of_an_unknown_user_violates_the_foreign_key(pool: PgPool) -> Result<()> {
    let outcome = sqlx::query(INSERT_ALERT)
        .bind(999)
        .bind(Decimal::ONE)
        .execute(&pool)
        .await;

    let error = outcome.err().context("the alert was stored")?;
    let violation = error
        .as_database_error()
        .context("not the database's word")?;
    assert!(violation.is_foreign_key_violation());
    assert_eq!(violation.constraint(), Some("alerts_user_id_fkey"));
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn alerts_go_with_their_user(pool: PgPool, database: Database) -> Result<()> {
    sqlx::query(INSERT_ALERT)
        .bind(1)
        .bind(Decimal::ONE)
        .execute(&pool)
        .await?;

    sqlx::query("DELETE FROM users WHERE id = 1")
        .execute(&pool)
        .await?;

    assert_eq!(database.row_count("alerts").await?, 0);
    Ok(())
}

#[container_test(postgres, seeds("tokens"))]
async fn symbols_are_unique(mut connection: PgConnection) -> Result<()> {
    let outcome = sqlx::query("INSERT INTO tokens (symbol, name) VALUES ('BTC', 'Bitcoin again')")
        .execute(&mut connection)
        .await;

    let error = outcome.err().context("the token was stored")?;
    assert!(
        error
            .as_database_error()
            .is_some_and(DatabaseError::is_unique_violation)
    );
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn thresholds_keep_all_their_digits(mut connection: PgConnection) -> Result<()> {
    for threshold in ["0.00000001", "50000.50", "99999999999.99999999"] {
        let threshold: Decimal = threshold.parse()?;
        let stored: Decimal = sqlx::query_scalar(
            "INSERT INTO alerts (user_id, symbol, type, threshold)
             VALUES (1, 'BTC', 'above', $1)
             RETURNING threshold",
        )
        .bind(threshold)
        .fetch_one(&mut connection)
        .await?;
        assert_eq!(stored, threshold);
    }
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn a_threshold_with_too_many_digits_is_refused(pool: PgPool) -> Result<()> {
    let too_large: Decimal = "100000000000".parse()?;

    let outcome = sqlx::query(INSERT_ALERT)
        .bind(1)
        .bind(too_large)
        .execute(&pool)
        .await;

    let error = outcome.err().context("the alert was stored")?;
    let numeric_value_out_of_range = Some("22003".into());
    assert_eq!(
        error.as_database_error().and_then(DatabaseError::code),
        numeric_value_out_of_range
    );
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn a_rolled_back_transaction_leaves_nothing(pool: PgPool, database: Database) -> Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query(INSERT_ALERT)
        .bind(1)
        .bind(Decimal::ONE)
        .execute(&mut *transaction)
        .await?;
    transaction.rollback().await?;

    assert_eq!(database.row_count("alerts").await?, 0);
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn a_dropped_transaction_leaves_nothing(
    mut connection: PgConnection,
    database: Database,
) -> Result<()> {
    {
        let mut transaction = connection.begin().await?;
        sqlx::query(INSERT_ALERT)
            .bind(1)
            .bind(Decimal::ONE)
            .execute(&mut *transaction)
            .await?;
    }
    // The roll-back is sent with the next query.
    sqlx::query("SELECT 1").execute(&mut connection).await?;

    assert_eq!(database.row_count("alerts").await?, 0);
    Ok(())
}

#[container_test(postgres, seeds("users"))]
async fn others_see_a_transaction_only_after_its_commit(
    pool: PgPool,
    database: Database,
) -> Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query(INSERT_ALERT)
        .bind(1)
        .bind(Decimal::ONE)
        .execute(&mut *transaction)
        .await?;
    assert_eq!(database.row_count("alerts").await?, 0);

    transaction.commit().await?;
    assert_eq!(database.row_count("alerts").await?, 1);
    Ok(())
}

#[container_test(postgres)]
async fn an_exhausted_pool_waits_for_a_connection(options: PgConnectOptions) -> Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_millis(200))
        .connect_with(options)
        .await?;
    let (first, _second) = (pool.acquire().await?, pool.acquire().await?);

    assert!(matches!(
        pool.acquire().await,
        Err(sqlx::Error::PoolTimedOut)
    ));

    drop(first);
    pool.acquire()
        .await
        .context("the connection that came back")?;
    Ok(())
}
