//! Recycling with proof: a database goes to the next test only if it equals its template again.
//!
//! The evidence is the server's own count of what was written, relation by relation, since the
//! database was cloned or last recycled: it counts work that was rolled back, too, and every
//! session has reported by the time it has left. What it does not count is looked at apart.
//! What was written is put back where that is sure to give what a clone has: tables that the
//! template has empty are emptied, rows that were added to others are deleted, sequences are set
//! back. Anything else, and any doubt, and the database is dropped.
//!
//! Deleted rows still take their places, and would decide where the next test's rows come to lie,
//! and so the order in which an unordered query gives them. So tables that were written are
//! vacuumed, as those of the template are: both have the same rows at the same places.
//!
//! What cannot be seen: what a superuser writes to tables with rows, to sequences or catalogs
//! while its session has `track_counts` off, unless it leaves it off on the last connection; and
//! locks on rows, which stay in their system column `xmax`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, Row};

use super::profile::{Profile, Table, VACUUM};
use super::{Claim, Finished, Server};
use crate::sql::literal;
use crate::{Error, background};

/// How long all of it may take: a database that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages by which a table may have grown before its database is dropped rather than recycled:
/// what is emptied leaves its indexes as large as they are, and more work than a new clone.
const PAGES: i64 = 8;

/// Ends what the session was at, and what it has set. It says first whether it was counting what
/// it wrote: a superuser can switch that off.
const RESET_SESSION: &str = "
    ROLLBACK;
    SELECT current_setting('track_counts')::boolean;
    SET SESSION AUTHORIZATION DEFAULT;
    RESET ALL;
    UNLISTEN *;
    SELECT pg_stat_force_next_flush()";

/// What was written since the counters were at zero, a row each.
const EVIDENCE: &str = "
    WITH relation AS (
        SELECT c.oid, c.relkind,
               c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AS system,
               pg_stat_get_tuples_inserted(c.oid) AS inserted,
               pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changed,
               pg_stat_get_vacuum_count(c.oid) + pg_stat_get_analyze_count(c.oid)
                   + pg_stat_get_autovacuum_count(c.oid) + pg_stat_get_autoanalyze_count(c.oid) AS maintained
        FROM pg_class c
        WHERE c.relkind IN ('r', 'm') AND NOT c.relisshared AND c.relnamespace <> 'pg_toast'::regnamespace
    )
    SELECT CASE WHEN system THEN 'catalog' WHEN relkind = 'm' OR maintained > 0 THEN 'other' ELSE 'table' END AS kind,
           oid::bigint, changed,
           CASE WHEN NOT system THEN pg_relation_size(oid) / current_setting('block_size')::bigint ELSE 0 END AS pages
    FROM relation
    WHERE inserted + changed + maintained > 0
       OR (NOT system AND relkind = 'r' AND oid = ANY ($empty) AND pg_relation_size(oid) > 0)
    UNION ALL
    SELECT 'sequence', c.oid::bigint, 0, 0 FROM pg_class c
    WHERE c.relkind = 'S' AND pg_stat_get_blocks_fetched(c.oid) > 0
    UNION ALL
    SELECT 'session', pid, 0, 0 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    UNION ALL
    SELECT 'other', 0, 0, 0 FROM pg_database d
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
    // Its backend ends by itself; nobody needs to wait for that.
    connection.close_hard().await?;
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
        let failed = |error: sqlx::Error| Error::new("read the template's profile").because(error);
        let read = format!(
            "SELECT profile FROM template WHERE name = {}",
            literal(&template)
        );
        let row = sqlx::raw_sql(AssertSqlSafe(read))
            .fetch_one(&mut *server.lease.lock().await)
            .await
            .map_err(failed)?;
        let text: Option<String> = row.try_get(0).map_err(failed)?;
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
    // Connections that the test has just let go of come back once the server has answered.
    let come_back = async {
        while pool.num_idle() < pool.size() as usize {
            tokio::task::yield_now().await;
        }
    };
    // A test that holds on to a connection is found out below.
    let _ = tokio::time::timeout(MOMENT / 10, come_back).await;
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
    let rows = sqlx::raw_sql(RESET_SESSION)
        .fetch_all(&mut *connection)
        .await?;
    if rows.first().is_none_or(|row| !row.get::<bool, _>(0)) {
        return Ok(None);
    }
    let Some(repairs) = repairs(connection, profile, stats_reset).await? else {
        return Ok(None);
    };
    if repairs.is_empty() {
        return Ok(Some(stats_reset.map(str::to_owned)));
    }
    repair(connection, &repairs).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(proof(&repairs)))
        .fetch_all(connection)
        .await?;
    Ok(rows
        .last()
        .filter(|row| row.get("proven"))
        .map(|row| row.get("reset")))
}

/// What puts back one relation.
enum Repair<'a> {
    Sequence(String),
    Table(&'a Table, String),
}

/// What puts back what was written; none if it is not sure that it can be.
async fn repairs<'a>(
    connection: &mut PgConnection,
    profile: &'a Profile,
    stats_reset: Option<&str>,
) -> Result<Option<Vec<Repair<'a>>>, sqlx::Error> {
    let empty: Vec<String> = profile.empty().map(|table| table.oid.to_string()).collect();
    let reset = stats_reset.map_or_else(|| "NULL".to_owned(), literal);
    let query = EVIDENCE
        .replace("$empty", &format!("'{{{}}}'::oid[]", empty.join(",")))
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
                let (oid, changed, pages) = (row.get("oid"), row.get("changed"), row.get("pages"));
                match kind(row).as_str() {
                    "sequence" => profile.restore_sequence(oid).map(Repair::Sequence),
                    "table" => repair_table(profile, oid, changed, pages),
                    _ => None,
                }
            })
            .collect());
    }
    Ok(None)
}

fn repair_table(profile: &Profile, oid: i64, changed: i64, pages: i64) -> Option<Repair<'_>> {
    let table = profile.table(oid).filter(|table| table.plain)?;
    let name = &table.name;
    if pages > table.pages + PAGES {
        None
    } else if table.pages == 0 {
        Some(Repair::Table(table, format!("DELETE FROM ONLY {name}")))
    } else if changed == 0 {
        let added = format!(
            "DELETE FROM ONLY {name} WHERE xmin::text::bigint >= {}",
            profile.horizon
        );
        Some(Repair::Table(table, added))
    } else {
        None
    }
}

async fn repair(connection: &mut PgConnection, repairs: &[Repair<'_>]) -> Result<(), sqlx::Error> {
    // Neither triggers nor foreign keys have a say in this.
    let mut script = "BEGIN; SET LOCAL session_replication_role = replica; ".to_owned();
    let mut written = Vec::new();
    for repair in repairs {
        let statement = match repair {
            Repair::Sequence(statement) => statement,
            Repair::Table(table, statement) => {
                written.push(table.name.as_str());
                statement
            }
        };
        script.push_str(statement);
        script.push_str("; ");
    }
    script.push_str("COMMIT; SELECT pg_stat_force_next_flush()");
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut *connection)
        .await?;
    if !written.is_empty() {
        // Dead rows would show in where new ones come to lie.
        let vacuum = format!("{VACUUM} {}", written.join(", "));
        sqlx::raw_sql(AssertSqlSafe(vacuum))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Sets the counters to zero, and looks whether the repairs did what they should.
fn proof(repairs: &[Repair<'_>]) -> String {
    let sizes: String = repairs
        .iter()
        .filter_map(|repair| match repair {
            Repair::Table(table, _) => Some(format!(
                " AND pg_relation_size({}::oid) = {} * current_setting('block_size')::bigint",
                table.oid, table.pages
            )),
            Repair::Sequence(_) => None,
        })
        .collect();
    format!(
        "SELECT pg_stat_reset();
         SELECT pg_stat_get_db_stat_reset_time(oid)::text AS reset,
                NOT EXISTS (SELECT FROM pg_stat_activity
                            WHERE datname = current_database() AND pid <> pg_backend_pid()){sizes} AS proven
         FROM pg_database WHERE datname = current_database()"
    )
}

async fn give_back(claim: &Claim, stats_reset: Option<String>) -> bool {
    let reset = stats_reset.map_or_else(|| "NULL".to_owned(), |reset| literal(&reset));
    let give = format!("SELECT give_back({}, {reset})", literal(&claim.database));
    let server = Arc::clone(&claim.server);
    let given = background::run(async move {
        sqlx::raw_sql(AssertSqlSafe(give))
            .execute(&mut *server.lease.lock().await)
            .await
            .map_err(|error| Error::new("give the database back").because(error))
    });
    given.await.is_ok()
}
