//! Alerts in Postgres.

use sqlx::PgPool;

use super::{Alert, NewAlert};

/// The table `alerts`.
#[derive(Clone, Debug)]
pub struct AlertRepository {
    pool: PgPool,
}

impl AlertRepository {
    /// A repository on the given pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Stores an alert and returns it as stored.
    pub async fn create(&self, alert: &NewAlert) -> Result<Alert, AlertError> {
        sqlx::query_as(
            "INSERT INTO alerts (user_id, symbol, type, threshold)
             VALUES ($1, $2, $3, $4)
             RETURNING *",
        )
        .bind(alert.user_id)
        .bind(&alert.symbol)
        .bind(alert.kind.as_str())
        .bind(alert.threshold)
        .fetch_one(&self.pool)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(cause) if cause.is_foreign_key_violation() => {
                AlertError::UnknownUser(alert.user_id)
            }
            _ => AlertError::Database(error),
        })
    }

    /// The alert with the given number.
    pub async fn find_by_id(&self, id: i32) -> Result<Alert, AlertError> {
        sqlx::query_as("SELECT * FROM alerts WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(AlertError::NotFound(id))
    }

    /// Deletes an alert if the given user owns it. Returns whether there was such an alert.
    pub async fn delete(&self, id: i32, user_id: i32) -> Result<bool, AlertError> {
        let deleted = sqlx::query("DELETE FROM alerts WHERE id = $1 AND user_id = $2")
            .bind(id)
            .bind(user_id)
            .execute(&self.pool)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

/// Why an alert could not be stored, found or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// No alert has this number.
    #[error("there is no alert {0}")]
    NotFound(i32),
    /// No user has this number.
    #[error("there is no user {0}")]
    UnknownUser(i32),
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}
