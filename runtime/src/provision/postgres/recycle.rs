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

use std::fmt::Write;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::Claim;
use super::profile::{Profile, Table, vacuum_options};
use super::session::{self, Mark};

/// How long to wait for what takes a moment.
const MOMENT: Duration = Duration::from_millis(2);

/// How often it is tried to remove what was deleted.
const ATTEMPTS: usize = 10;

/// Pages by which a table may have grown before its database is dropped rather than recycled:
/// what is emptied leaves its indexes as large as they are, and more work than a new clone.
const PAGES: i64 = 8;

/// Ends what the session was at, and what it has set: all that `DISCARD ALL` does, which cannot be
/// sent with others, but for temporary tables, which end the database's use anyway. It says first
/// whether it was counting what it wrote: a superuser can switch that off.
const RESET_SESSION: &str = "
    ROLLBACK;
    SELECT current_setting('track_counts')::boolean;
    CLOSE ALL;
    SET SESSION AUTHORIZATION DEFAULT;
    RESET ALL;
    DEALLOCATE ALL;
    UNLISTEN *;
    DISCARD PLANS;
    SELECT oid::bigint AS oid, pg_stat_get_db_stat_reset_time(oid)::text AS reset,
           pg_stat_get_db_numbackends(oid) AS sessions, pg_backend_pid() AS pid
    FROM pg_database WHERE datname = current_database();
    SELECT pg_stat_force_next_flush(), pg_advisory_unlock_all()";

/// Forgets the numbers that the session has drawn from sequences; to set one back draws one, too.
const DISCARD_NUMBERS: &str = "DISCARD SEQUENCES";

/// What was written since the counters were at zero, a row each. The size of a table is that of
/// its file: to ask for it by `pg_relation_size` would open every table.
const EVIDENCE: &str = "
    SELECT oid::bigint, relkind::text AS kind, changed, maintained, pages,
           pg_stat_get_tuples_inserted(reltoastrelid) > 0 AS toasted
    FROM (
        SELECT oid, relkind, reltoastrelid,
               pg_stat_get_tuples_inserted(oid) AS inserted,
               pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid) AS changed,
               pg_stat_get_vacuum_count(oid) + pg_stat_get_analyze_count(oid)
                   + pg_stat_get_autovacuum_count(oid) + pg_stat_get_autoanalyze_count(oid) AS maintained,
               CASE WHEN oid = ANY ($tables) THEN
                   (pg_stat_file(pg_relation_filepath(oid))).size / current_setting('block_size')::bigint
               END AS pages
        FROM pg_class
        WHERE relkind IN ('r', 'm') AND NOT relisshared AND relnamespace <> 99 -- pg_toast
    ) relation
    WHERE inserted + changed + maintained > 0 OR (pages > 0 AND oid = ANY ($empty))
    UNION ALL
    SELECT oid::bigint, 'S', 0, 0, 0, false FROM pg_class
    WHERE relkind = 'S' AND pg_stat_get_blocks_fetched(oid) > 0";

/// A database that equals its template again.
pub(super) struct AsNew {
    /// When the counters were set to zero.
    pub(super) stats_reset: Option<String>,
    /// The session, if it equals a new one.
    pub(super) session: Option<Mark>,
}

/// Proves that the database equals its template again, once what can be put back is.
pub(super) async fn recycle(
    connection: &mut PgConnection,
    profile: &Profile,
    claim: &Claim,
) -> Result<Option<AsNew>, sqlx::Error> {
    let version = claim.server.facts.version_number;
    let rows = sqlx::raw_sql(RESET_SESSION)
        .fetch_all(&mut *connection)
        .await?;
    let [counting, database, _] = &rows[..] else {
        return Ok(None);
    };
    let reset: Option<String> = database.get("reset");
    if !counting.get::<bool, _>(0) || reset != claim.stats_reset {
        return Ok(None);
    }
    let oid: i64 = database.get("oid");
    // Sessions that have left have reported what they wrote.
    if database.get::<i32, _>("sessions") > 1 && !is_alone(connection, oid).await? {
        return Ok(None);
    }
    let found = repairs(connection, profile, claim.mark.is_some()).await?;
    let Some((repairs, settings)) = found else {
        return Ok(None);
    };
    let session = claim.mark.filter(|mark| {
        mark.pid == database.get::<i32, _>("pid")
            && Some(mark.settings) == settings
            && !tables_remembered(&repairs)
    });
    if repairs.is_empty() {
        return Ok(Some(AsNew {
            stats_reset: reset,
            session,
        }));
    }
    repair(connection, &repairs).await?;
    let (vacuum, proof) = (vacuum(&repairs, version), proof(&repairs, oid));
    for _ in 0..ATTEMPTS {
        if let Some(vacuum) = &vacuum {
            sqlx::raw_sql(AssertSqlSafe(vacuum.clone()))
                .execute(&mut *connection)
                .await?;
        }
        let rows = sqlx::raw_sql(AssertSqlSafe(proof.clone()))
            .fetch_all(&mut *connection)
            .await?;
        let [clean, _, done] = &rows[..] else {
            break;
        };
        if clean.get(0) && done.get("alone") {
            return Ok(Some(AsNew {
                stats_reset: done.get("reset"),
                session,
            }));
        }
        // A session that just starts, be it elsewhere, keeps rows from being removed.
        tokio::time::sleep(MOMENT).await;
    }
    Ok(None)
}

/// Waits for sessions that were closed: they take a moment to leave.
async fn is_alone(connection: &mut PgConnection, oid: i64) -> Result<bool, sqlx::Error> {
    let alone = format!("SELECT pg_stat_get_db_numbackends({oid}::oid) = 1");
    for _ in 0..50 {
        tokio::time::sleep(MOMENT).await;
        let row = sqlx::raw_sql(AssertSqlSafe(alone.clone()))
            .fetch_one(&mut *connection)
            .await?;
        if row.get(0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What puts back one relation.
enum Repair<'a> {
    Sequence(String),
    Table {
        table: &'a Table,
        /// Whether values out of line were written.
        toasted: bool,
        /// Its size before.
        pages: i64,
        statement: String,
    },
}

/// What puts back what was written; none if it is not sure that it can be. Tells also, if asked,
/// how much memory the session's settings take.
async fn repairs<'a>(
    connection: &mut PgConnection,
    profile: &'a Profile,
    settings: bool,
) -> Result<Option<(Vec<Repair<'a>>, Option<i64>)>, sqlx::Error> {
    let mut query = EVIDENCE
        .replace("$tables", &oids(profile.tables.iter()))
        .replace("$empty", &oids(profile.empty()));
    if settings {
        let _ = write!(query, "; {}", session::SETTINGS_MEMORY);
    }
    let mut rows = sqlx::raw_sql(AssertSqlSafe(query))
        .fetch_all(connection)
        .await?;
    let settings = match rows.pop_if(|_| settings) {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    let repairs: Option<Vec<Repair<'_>>> = rows
        .iter()
        .map(|row| match row.get("kind") {
            "S" => profile
                .restore_sequence(row.get("oid"))
                .map(Repair::Sequence),
            "r" if row.get::<i64, _>("maintained") == 0 => {
                // Of tables that are not the template's the size is not asked for.
                let pages: Option<i64> = row.get("pages");
                let (changed, toasted) = (row.get("changed"), row.get("toasted"));
                let (table, pages) = (profile.table(row.get("oid"))?, pages?);
                Some(Repair::Table {
                    table,
                    toasted,
                    pages,
                    statement: repair_table(table, profile.horizon, changed, pages)?,
                })
            }
            _ => None,
        })
        .collect();
    Ok(repairs.map(|repairs| (repairs, settings)))
}

fn oids<'a>(tables: impl Iterator<Item = &'a Table>) -> String {
    let oids: Vec<String> = tables.map(|table| table.oid.to_string()).collect();
    format!("'{{{}}}'::oid[]", oids.join(","))
}

fn repair_table(table: &Table, horizon: i64, changed: i64, pages: i64) -> Option<String> {
    let name = &table.name;
    if !table.plain || pages > table.pages + PAGES {
        None
    } else if table.pages == 0 {
        Some(format!("DELETE FROM ONLY {name}"))
    } else if changed == 0 {
        Some(format!(
            "DELETE FROM ONLY {name} WHERE xmin::text::bigint >= {horizon}"
        ))
    } else {
        None
    }
}

async fn repair(connection: &mut PgConnection, repairs: &[Repair<'_>]) -> Result<(), sqlx::Error> {
    let statements: Vec<&str> = repairs
        .iter()
        .map(|repair| match repair {
            Repair::Sequence(statement) | Repair::Table { statement, .. } => statement.as_str(),
        })
        .collect();
    // Neither triggers nor foreign keys have a say in this.
    let script = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; {}; COMMIT; {DISCARD_NUMBERS}; \
         SELECT pg_stat_force_next_flush()",
        statements.join("; ")
    );
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(connection)
        .await
        .map(|_| ())
}

fn tables<'a>(repairs: &'a [Repair<'_>]) -> impl Iterator<Item = &'a Table> {
    repairs.iter().filter_map(|repair| match repair {
        Repair::Table { table, .. } => Some(*table),
        Repair::Sequence(_) => None,
    })
}

/// Whether the session remembers in which of a table's pages it has put a row last, and may put the
/// next one elsewhere than a new session would. It forgets that when a table is cut.
fn tables_remembered(repairs: &[Repair<'_>]) -> bool {
    repairs.iter().any(|repair| match repair {
        Repair::Sequence(_) => false,
        Repair::Table {
            table,
            toasted,
            pages,
            ..
        } => table.pages > 0 && (*toasted || table.pages > 1 && *pages == table.pages),
    })
}

/// The statement that removes dead rows: they would show in where new ones come to lie.
fn vacuum(repairs: &[Repair<'_>], version: i32) -> Option<String> {
    let names: Vec<&str> = tables(repairs).map(|table| table.name.as_str()).collect();
    let toasted = repairs
        .iter()
        .any(|repair| matches!(repair, Repair::Table { toasted: true, .. }));
    // What else it would do takes as long.
    let mut options = vacuum_options(version).to_owned();
    if !toasted {
        options.push_str(", PROCESS_TOAST OFF");
    }
    if version >= 160_000 {
        options.push_str(", SKIP_DATABASE_STATS");
    }
    (!names.is_empty()).then(|| format!("VACUUM ({options}) {}", names.join(", ")))
}

/// Looks whether the repairs did what they should, and sets the counters to zero.
fn proof(repairs: &[Repair<'_>], database: i64) -> String {
    let mut clean = "true".to_owned();
    for Table {
        oid, pages, toast, ..
    } in tables(repairs)
    {
        let _ = write!(
            clean,
            " AND pg_relation_size({oid}::oid) = {pages} * current_setting('block_size')::bigint
              AND pg_stat_get_dead_tuples({oid}::oid) + pg_stat_get_dead_tuples({toast}::oid) = 0"
        );
    }
    format!(
        "SELECT {clean};
         SELECT pg_stat_reset();
         SELECT pg_stat_get_db_stat_reset_time({database}::oid)::text AS reset,
                pg_stat_get_db_numbackends({database}::oid) = 1 AS alone"
    )
}
