//! Prices in a hypertable, on the image of Timescale.

use anyhow::Result;
use container_test::container_test;
use rust_decimal::Decimal;
use sqlx::PgPool;
use time::OffsetDateTime;

#[container_test(
    postgres(image = "timescale/timescaledb:latest-pg17", startup_timeout = "90s"),
    migrations = [
        "CREATE EXTENSION IF NOT EXISTS timescaledb;",
        "CREATE TABLE prices (
             time TIMESTAMPTZ NOT NULL,
             symbol VARCHAR(10) NOT NULL,
             price DECIMAL(19, 8) NOT NULL
         );
         SELECT create_hypertable('prices', 'time');",
    ],
)]
async fn prices_are_summed_up_by_the_hour(pool: PgPool) -> Result<()> {
    sqlx::query(
        "INSERT INTO prices (time, symbol, price) VALUES
             ('2025-01-01 10:05Z', 'BTC', 50000),
             ('2025-01-01 10:55Z', 'BTC', 50200),
             ('2025-01-01 11:10Z', 'BTC', 49900.5),
             ('2025-01-01 11:15Z', 'ETH', 2000)",
    )
    .execute(&pool)
    .await?;

    let hours: Vec<(OffsetDateTime, Decimal, Decimal)> = sqlx::query_as(
        "SELECT time_bucket('1 hour', time) AS hour, max(price), last(price, time)
         FROM prices
         WHERE symbol = 'BTC'
         GROUP BY hour
         ORDER BY hour",
    )
    .fetch_all(&pool)
    .await?;

    // 1 January 2025, 10:00.
    let ten = OffsetDateTime::from_unix_timestamp(1_735_725_600)?;
    let eleven = ten + time::Duration::hours(1);
    assert_eq!(
        hours,
        [
            (ten, Decimal::from(50_200), Decimal::from(50_200)),
            (eleven, Decimal::new(499_005, 1), Decimal::new(499_005, 1)),
        ]
    );
    Ok(())
}
