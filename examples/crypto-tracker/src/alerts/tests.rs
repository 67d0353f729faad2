//! The repository against a real Postgres.

use anyhow::Result;
use container_test::{Database, container_test};
use rust_decimal::Decimal;

use super::{Alert, AlertError, AlertKind, AlertRepository, NewAlert};

/// Number of the user in `fixtures/users.sql`.
const USER: i32 = 1;

fn alert(symbol: &str, kind: AlertKind, threshold: &str) -> Result<NewAlert> {
    Ok(NewAlert {
        user_id: USER,
        symbol: symbol.to_owned(),
        kind,
        threshold: threshold.parse()?,
    })
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn a_created_alert_is_active_and_has_a_number(alerts: AlertRepository) -> Result<()> {
    let created = alerts
        .create(&alert("BTC", AlertKind::Above, "50000.50")?)
        .await?;

    assert!(created.id > 0);
    assert_eq!(created.status, "active");
    assert_eq!(created.triggered_at, None);
    assert!(created.created_at.unix_timestamp() > 0);
    Ok(())
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn a_user_may_watch_several_symbols(
    alerts: AlertRepository,
    database: Database,
) -> Result<()> {
    for (symbol, kind, threshold) in [
        ("BTC", AlertKind::Above, "50000"),
        ("ETH", AlertKind::Below, "2000"),
        ("BNB", AlertKind::Above, "500"),
    ] {
        alerts.create(&alert(symbol, kind, threshold)?).await?;
    }

    assert_eq!(database.row_count("alerts").await?, 3);
    Ok(())
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn a_created_alert_is_found_by_its_number(alerts: AlertRepository) -> Result<()> {
    let created = alerts
        .create(&alert("ETH", AlertKind::Below, "2000.12345678")?)
        .await?;

    let found: Alert = alerts.find_by_id(created.id).await?;

    assert_eq!(found, created);
    assert_eq!(found.kind, AlertKind::Below);
    assert_eq!(found.threshold, Decimal::new(200_012_345_678, 8));
    Ok(())
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn an_unknown_number_is_not_found(alerts: AlertRepository) {
    assert!(matches!(
        alerts.find_by_id(9999).await,
        Err(AlertError::NotFound(9999))
    ));
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn the_owner_deletes_an_alert(alerts: AlertRepository, database: Database) -> Result<()> {
    let created = alerts
        .create(&alert("BTC", AlertKind::Above, "50000")?)
        .await?;

    assert!(alerts.delete(created.id, USER).await?);

    assert_eq!(database.row_count("alerts").await?, 0);
    Ok(())
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn deleting_another_users_alert_changes_nothing(
    alerts: AlertRepository,
    database: Database,
) -> Result<()> {
    let created = alerts
        .create(&alert("BTC", AlertKind::Above, "50000")?)
        .await?;

    let deleted = alerts.delete(created.id, 999).await?;

    assert!(!deleted, "the call succeeds, but affects no row");
    assert_eq!(database.row_count("alerts").await?, 1);
    Ok(())
}

// Without the seed `users` no user exists who could own an alert.
#[container_test(postgres)]
async fn an_alert_needs_a_user_who_exists(alerts: AlertRepository) -> Result<()> {
    let outcome = alerts
        .create(&alert("BTC", AlertKind::Above, "50000")?)
        .await;

    assert!(matches!(outcome, Err(AlertError::UnknownUser(USER))));
    Ok(())
}

#[container_test(postgres, seeds("users", "tokens"))]
async fn steps_of_one_test_start_from_empty_tables(
    alerts: AlertRepository,
    database: Database,
) -> Result<()> {
    // Creating.
    let created = alerts
        .create(&alert("BTC", AlertKind::Above, "50000")?)
        .await?;
    assert_eq!(database.row_count("alerts").await?, 1);

    // Finding, from a clean slate: only `alerts` is emptied.
    database.truncate("alerts").await?;
    assert!(matches!(
        alerts.find_by_id(created.id).await,
        Err(AlertError::NotFound(_))
    ));
    assert_eq!(database.row_count("users").await?, 1);

    // Everything gone: users and tokens too.
    database.truncate_all().await?;
    for table in ["users", "tokens", "alerts"] {
        assert_eq!(database.row_count(table).await?, 0, "{table}");
    }
    Ok(())
}

/// Tests that would get into each other's way if they shared anything: each expects the first
/// number of a fresh table, and to be alone with it. Tests run in parallel without being asked.
mod side_by_side {
    use super::*;

    async fn is_alone(alerts: AlertRepository, database: Database, symbol: &str) -> Result<()> {
        let created = alerts
            .create(&alert(symbol, AlertKind::Above, "1")?)
            .await?;
        tokio::task::yield_now().await;
        assert_eq!(created.id, 1);
        assert_eq!(database.row_count("alerts").await?, 1);
        assert_eq!(alerts.find_by_id(1).await?.symbol, symbol);
        Ok(())
    }

    #[container_test(postgres, seeds("users", "tokens"))]
    async fn the_first_is_alone(alerts: AlertRepository, database: Database) -> Result<()> {
        is_alone(alerts, database, "BTC").await
    }

    #[container_test(postgres, seeds("users", "tokens"))]
    async fn the_second_is_alone(alerts: AlertRepository, database: Database) -> Result<()> {
        is_alone(alerts, database, "ETH").await
    }

    #[container_test(postgres, seeds("users", "tokens"))]
    async fn the_third_is_alone(alerts: AlertRepository, database: Database) -> Result<()> {
        is_alone(alerts, database, "BNB").await
    }

    #[container_test(postgres, seeds("users", "tokens"))]
    async fn the_fourth_is_alone(alerts: AlertRepository, database: Database) -> Result<()> {
        is_alone(alerts, database, "ADA").await
    }
}
