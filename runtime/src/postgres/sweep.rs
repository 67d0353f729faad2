//! What dead processes have left is dropped by those that come after them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Row};

use super::drops::{drop_claimed, drop_template};
use super::failure::failed;
use super::roles;
use super::server::Server;
use super::sql::{literal, quoted};
use crate::Result;

/// Drops what dead processes have left, once per process.
pub(super) async fn sweep(server: &Arc<Server>) {
    let sweep = async || {
        // The next process tries again.
        let _ = drop_abandoned(server).await;
        if server.endpoint.outlives_tests() {
            let _ = drop_stale_templates(server).await;
            let _ = forget_retained(server).await;
        }
    };
    server.swept.get_or_init(sweep).await;
}

/// Frees what dead processes had parked; what they have left dirty is dropped in the background.
/// Returns whether something was freed.
pub(super) async fn free_parked(server: &Arc<Server>) -> Result<bool> {
    let step = "look for abandoned databases";
    server.end_dead_leases().await.map_err(failed(step))?;
    let row = server.ask("SELECT * FROM free_parked()").await;
    let row = row.map_err(failed(step))?;
    if row.try_get::<i64, _>("dirty").map_err(failed(step))? > 0 {
        let server = Arc::clone(server);
        tokio::spawn(async move {
            // The next process tries again.
            let _ = drop_abandoned(&server).await;
        });
    }
    Ok(row.try_get::<i64, _>("freed").map_err(failed(step))? > 0)
}

/// Drops the databases that dead processes had claimed.
pub(super) async fn drop_abandoned(server: &Server) -> Result<(), sqlx::Error> {
    server.end_dead_leases().await?;
    let next = || {
        sqlx::query_scalar::<_, Option<String>>("SELECT take_over($1)")
            .bind(server.info.number)
            .fetch_one(&server.work)
    };
    while let Some(name) = next().await? {
        stop_creating(server, &name).await?;
        // One that cannot be dropped is tried again by others: it must not keep us from the rest.
        let _ = drop_claimed(server, &name).await;
    }
    Ok(())
}

/// Ends a session that still creates the database: it does not see that its client is gone.
async fn stop_creating(server: &Server, name: &str) -> Result<(), sqlx::Error> {
    let sessions = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE state = 'active' AND pid <> pg_backend_pid() AND starts_with(query, {})",
        literal(&format!("CREATE DATABASE {} ", quoted(name)))
    );
    for _ in 0..200 {
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(sessions.clone()))
            .fetch_one(&server.work)
            .await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Forgets databases that were retained for people, once these have dropped them.
async fn forget_retained(server: &Server) -> Result<(), sqlx::Error> {
    let forget = "DELETE FROM claim WHERE retained
                  AND present_name(database) IS NULL";
    sqlx::raw_sql(forget)
        .execute(&server.work)
        .await
        .map(|_| ())
}

/// Drops templates that dead processes have half-made, or that no process has used for a day.
async fn drop_stale_templates(server: &Server) -> Result<(), sqlx::Error> {
    // It is marked as half-made, by us: no process takes it for finished from now on, and one that
    // has just used it makes this do nothing.
    const MARK: &str = "
        UPDATE template SET snapshot = NULL, lease = $1
        WHERE name = (SELECT stale_template())
          AND (snapshot IS NULL OR used < clock_timestamp() - interval '1 day')
          AND lease NOT IN (SELECT live_leases())
        RETURNING name";
    const STILL_OURS: &str =
        "SELECT EXISTS (SELECT FROM template WHERE name = $1 AND snapshot IS NULL AND lease = $2)";
    let mut registry = server.connect(&server.admin).await?;
    while let Some(name) = sqlx::query_scalar::<_, String>(MARK)
        .bind(server.info.number)
        .fetch_optional(&mut registry)
        .await?
    {
        // The process that has the lock makes it again. The lock goes with the session.
        let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(2, hashtext($1))")
            .bind(&name)
            .fetch_one(&mut registry)
            .await?;
        let ours = alone
            && sqlx::query_scalar(STILL_OURS)
                .bind(&name)
                .bind(server.info.number)
                .fetch_one(&mut registry)
                .await?;
        if ours {
            // One that cannot be dropped is tried again by others.
            let _ = drop_template(server, &mut registry, &name).await;
        }
    }
    roles::drop_unused(&mut registry).await?;
    registry.close().await
}
