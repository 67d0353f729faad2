//! Whether a session is the only one of its database.

use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// How long to wait before it is looked again whether sessions have left.
const MOMENT: Duration = Duration::from_millis(2);

/// What says whether a session is the only one of its database, and none is about to begin there by
/// a name that the database had before.
///
/// A session that begins takes a lock on the database, looks its name up again, and is listed before
/// it lets go of the lock. So once the new name is committed, it is refused, has the lock, or is
/// listed; and it is looked for in this order.
pub(super) fn alone(database: i64) -> String {
    format!(
        "CASE WHEN EXISTS (SELECT FROM pg_lock_status() WHERE locktype = 'object'
                               AND classid = 1262 AND objid = {database}) -- pg_database
              THEN false ELSE pg_stat_get_db_numbackends({database}::oid) = 1 END AS alone"
    )
}

/// Waits for sessions that were closed: they take a moment to leave.
pub(super) async fn is_alone(
    connection: &mut PgConnection,
    database: i64,
    patience: Duration,
) -> Result<bool, sqlx::Error> {
    let alone = format!("SELECT {}", alone(database));
    let begun = Instant::now();
    while begun.elapsed() < patience {
        tokio::time::sleep(MOMENT).await;
        let rows = ask(connection, &alone).await?;
        if rows.first().is_some_and(|row| row.get("alone")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the rows of all answers to a message.
pub(super) async fn ask(
    connection: &mut PgConnection,
    message: &str,
) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(message.to_owned()))
        .fetch_all(connection)
        .await
}
