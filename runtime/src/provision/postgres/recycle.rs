//! Recycling with proof: a database goes to the next test only if it equals its template again.
//!
//! The evidence is the server's own count of what was written, relation by relation, since the
//! database was cloned or last recycled: it counts work that was rolled back, too, and every
//! session has reported by the time it has left. What it does not count is looked at apart.
//! What was written is put back where that is sure to give what a clone has: tables that the
//! template has empty are emptied, rows that were added to others are deleted, sequences are set
//! back. Anything else, and any doubt, and the database is dropped.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, Row};

use super::profile::Profile;
use super::{Claim, Finished, Server};
use crate::{Error, background};

/// How long all of it may take: a database that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages that a table may hold, dead rows included, before its database is dropped rather than
/// recycled: below ten pages the planner takes every table that was never analysed as equal,
/// and with few dead rows new ones come to lie in the order in which they are inserted.
const PAGES: i64 = 4;

/// What was written since the counters were at zero, a row each.
const EVIDENCE: &str = "
    WITH relation AS (
        SELECT c.oid, c.relkind,
               c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AS system,
               pg_stat_get_tuples_inserted(c.oid) AS inserted,
               pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changed,
               pg_stat_get_vacuum_count(c.oid) + pg_stat_get_analyze_count(c.oid) AS maintained
        FROM pg_class c
        WHERE c.relkind IN ('r', 'm') AND NOT c.relisshared AND c.relnamespace <> 'pg_toast'::regnamespace
    )
    SELECT CASE WHEN system THEN 'catalog' WHEN relkind = 'm' OR maintained > 0 THEN 'other' ELSE 'table' END AS kind,
           oid::bigint, inserted, changed,
           CASE WHEN NOT system THEN pg_relation_size(oid) / current_setting('block_size')::bigint ELSE 0 END AS pages
    FROM relation
    WHERE inserted + changed + maintained > 0
       OR (NOT system AND relkind = 'r' AND oid::bigint = ANY ($empty) AND pg_relation_size(oid) > 0)
    UNION ALL
    SELECT 'sequence', c.oid::bigint, 0, 0, 0 FROM pg_class c
    WHERE c.relkind = 'S' AND pg_stat_get_blocks_fetched(c.oid) > 0
    UNION ALL
    SELECT 'session', pid, 0, 0, 0 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    UNION ALL
    SELECT 'other', 0, 0, 0, 0 FROM pg_database d
    WHERE d.datname = current_database() AND (
        d.datacl IS NOT NULL OR d.datconnlimit <> -1 OR d.datistemplate OR NOT d.datallowconn
        OR d.datdba <> 'postgres'::regrole
        OR pg_stat_get_db_stat_reset_time(d.oid)::text IS DISTINCT FROM $reset
        OR EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid)
        OR EXISTS (SELECT FROM pg_shdescription s WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid)
        OR EXISTS (SELECT FROM pg_shseclabel s WHERE s.classoid = 'pg_database'::regclass AND s.objoid = d.oid)
        OR EXISTS (SELECT FROM pg_subscription s WHERE s.subdbid = d.oid)
        OR EXISTS (SELECT FROM pg_prepared_xacts p WHERE p.database = d.datname)
        OR EXISTS (SELECT FROM pg_replication_slots s WHERE s.database = d.datname))";

/// Ends the test's use of its database, and recycles it if that can be done with proof.
pub(super) async fn finish(claim: &Claim, pool: Option<&PgPool>) -> Finished {
    if !claim.recycle {
        return Finished::Used;
    }
    match tokio::time::timeout(PATIENCE, try_recycle(claim, pool)).await {
        Ok(Ok(true)) => Finished::AsNew,
        // Whatever the reason, dropping it is right.
        Ok(Ok(false) | Err(_)) | Err(_) => Finished::Used,
    }
}

async fn try_recycle(claim: &Claim, pool: Option<&PgPool>) -> Result<bool, sqlx::Error> {
    let Some(profile) = profile(&claim.server, &claim.template).await else {
        return Ok(false);
    };
    let Some(mut connection) = last_connection(claim, pool).await? else {
        return Ok(false);
    };
    let recycled = recycle(&mut connection, &profile, claim.stats_reset.as_deref()).await;
    connection.close().await?;
    match recycled? {
        Some(stats_reset) => Ok(give_back(claim, stats_reset).await),
        None => Ok(false),
    }
}

/// The template's profile, read once per process.
async fn profile(server: &Arc<Server>, template: &str) -> Option<Arc<Profile>> {
    let cell = server.profiles.cell(template.to_owned());
    if let Some(known) = cell.get() {
        return known.clone();
    }
    let (server, template) = (Arc::clone(server), template.to_owned());
    let read = background::run(async move {
        let text: Option<String> =
            sqlx::query_scalar("SELECT profile FROM template WHERE name = $1")
                .bind(template)
                .fetch_one(&mut *server.lease.lock().await)
                .await
                .map_err(|error| Error::new("read the template's profile").because(error))?;
        Ok(text
            .and_then(|text| Profile::from_text(&text))
            .map(Arc::new))
    });
    cell.get_or_init(async || read.await.ok().flatten())
        .await
        .clone()
}

/// A connection to the database, all others of the test's pool being closed: one that the test
/// has used is warm, and need not be made.
async fn last_connection(
    claim: &Claim,
    pool: Option<&PgPool>,
) -> Result<Option<PgConnection>, sqlx::Error> {
    const MOMENT: Duration = Duration::from_millis(100);
    let Some(pool) = pool.filter(|pool| pool.size() > 0 && !pool.is_closed()) else {
        return claim.options().connect().await.map(Some);
    };
    let idle = tokio::time::timeout(MOMENT, pool.acquire()).await;
    let Ok(Ok(connection)) = idle else {
        return Ok(None);
    };
    let connection: PgConnection = PoolConnection::<Postgres>::detach(connection);
    // It waits for connections that the test still holds: those may yet write.
    match tokio::time::timeout(MOMENT, pool.close()).await {
        Ok(()) => Ok(Some(connection)),
        Err(_) => Ok(None),
    }
}

/// Gives when the counters were set to zero, once the database equals its template.
async fn recycle(
    connection: &mut PgConnection,
    profile: &Profile,
    stats_reset: Option<&str>,
) -> Result<Option<Option<String>>, sqlx::Error> {
    for statement in [
        "ROLLBACK",
        "DISCARD ALL",
        "SELECT pg_stat_force_next_flush()",
    ] {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    let Some(repairs) = repairs(connection, profile, stats_reset).await? else {
        return Ok(None);
    };
    if repairs.is_empty() {
        return Ok(Some(stats_reset.map(str::to_owned)));
    }
    // Neither triggers nor foreign keys have a say in this.
    let script = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; {}; COMMIT; SELECT pg_stat_force_next_flush()",
        repairs.join("; ")
    );
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut *connection)
        .await?;
    sqlx::raw_sql("SELECT pg_stat_reset()")
        .execute(&mut *connection)
        .await?;
    let reset = sqlx::raw_sql(
        "SELECT pg_stat_get_db_stat_reset_time(oid)::text FROM pg_database WHERE datname = current_database()",
    );
    let row = reset.fetch_one(connection).await?;
    Ok(Some(row.get(0)))
}

/// The statements that put back what was written; none if it is not sure that they can.
async fn repairs(
    connection: &mut PgConnection,
    profile: &Profile,
    stats_reset: Option<&str>,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let empty: Vec<String> = profile
        .tables
        .iter()
        .filter(|table| table.empty)
        .map(|table| table.oid.to_string())
        .collect();
    let reset = stats_reset.map_or_else(|| "NULL".to_owned(), crate::sql::literal);
    let query = EVIDENCE
        .replace("$empty", &format!("'{{{}}}'::bigint[]", empty.join(",")))
        .replace("$reset", &reset);
    for _ in 0..50 {
        let rows = sqlx::raw_sql(AssertSqlSafe(query.clone()))
            .fetch_all(&mut *connection)
            .await?;
        let kind = |row: &sqlx::postgres::PgRow| -> String { row.get("kind") };
        if rows.iter().any(|row| kind(row) == "session") {
            // A session that was closed takes a moment to leave.
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        return Ok(rows
            .iter()
            .map(|row| {
                let (oid, inserted, changed, pages) = (
                    row.get("oid"),
                    row.get::<i64, _>("inserted"),
                    row.get::<i64, _>("changed"),
                    row.get("pages"),
                );
                match kind(row).as_str() {
                    "sequence" => profile.restore_sequence(oid),
                    "table" => repair_table(profile, oid, inserted, changed, pages),
                    _ => None,
                }
            })
            .collect());
    }
    Ok(None)
}

fn repair_table(
    profile: &Profile,
    oid: i64,
    inserted: i64,
    changed: i64,
    pages: i64,
) -> Option<String> {
    let table = profile.table(oid).filter(|table| table.plain)?;
    let name = &table.name;
    if table.empty && pages <= PAGES && inserted > 0 {
        Some(format!("DELETE FROM ONLY {name}"))
    } else if !table.empty && changed == 0 && pages <= PAGES {
        Some(format!(
            "DELETE FROM ONLY {name} WHERE xmin::text::bigint >= {}",
            profile.horizon
        ))
    } else {
        None
    }
}

async fn give_back(claim: &Claim, stats_reset: Option<String>) -> bool {
    let (server, database) = (Arc::clone(&claim.server), claim.database.clone());
    let given = background::run(async move {
        sqlx::query("SELECT give_back($1, $2::timestamptz)")
            .bind(database)
            .bind(stats_reset)
            .execute(&mut *server.lease.lock().await)
            .await
            .map_err(|error| Error::new("give the database back").because(error))
    });
    given.await.is_ok()
}
