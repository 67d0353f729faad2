//! Recycling with proof: a database goes to the next test only if it equals its template.
//!
//! The server counts what is written, relation by relation, since the database was cloned or last
//! recycled. It also counts work that was rolled back, and every session has reported by the time
//! it has left. Whatever the statistics do not count is checked separately. What was written is
//! undone where that is sure to give what a clone has: tables that are empty in the template are
//! emptied, rows that were added to others are deleted, sequences are set back. In any other case,
//! and in any doubt, the database is dropped.
//!
//! Deleted rows still take their places, and would decide where the next test's rows are stored,
//! and so the order in which an unordered query returns them. So tables that were written are
//! vacuumed, as those of the template are: both have the same rows at the same places.
//!
//! What cannot be seen: what a superuser writes to tables with rows, to sequences or catalogs
//! while its session has `track_counts` off, unless it leaves it off on the last connection; and
//! locks on rows, which stay in their system column `xmax`.

use std::fmt::Write;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::alone::{alone, ask, is_alone};
use super::memory::{MEMORY, Memory};
use super::session::Mark;
use super::snapshot::{Snapshot, Table, vacuum_options};
use crate::hash::random;
use crate::postgres::sql::literal;

/// How long to wait before it is tried again to remove what was deleted.
const MOMENT: Duration = Duration::from_millis(2);

/// How often it is tried to remove what was deleted.
const ATTEMPTS: usize = 10;

/// Pages by which a table may have grown before its database is dropped rather than recycled:
/// what is emptied leaves its indexes as large as they are, and more work than a new clone.
const PAGES: i64 = 8;

/// Ends what the session has set: all that `DISCARD ALL` does, which cannot be sent with others, but
/// for temporary tables, which end the database's use anyway; and the origin of what it replicates,
/// which `DISCARD ALL` leaves. `random()` gets a new seed, which only the session knows: a test may
/// have set one.
///
/// It returns first whether the session was counting what it wrote, which a superuser can switch off,
/// and whether it was in a transaction: one that has just begun has the time of its statement. To roll
/// back without looking would leave a warning in the server's log for each test.
///
/// It ends with a new name for the database: addresses that the test has given away lead nowhere from
/// then on. ALTER DATABASE does not rename a database that has a session.
const RESET_SESSION: &str = "
    SET TRANSACTION READ WRITE;
    SELECT current_setting('track_counts')::boolean AS counting,
           now() <> statement_timestamp() AS in_transaction;
    CLOSE ALL;
    SET SESSION AUTHORIZATION DEFAULT;
    RESET ALL;
    DEALLOCATE ALL;
    UNLISTEN *;
    DISCARD PLANS;
    SELECT oid::bigint AS database, pg_stat_get_db_stat_reset_time(oid)::text AS reset, pg_backend_pid() AS pid,
           pg_stat_force_next_flush(), pg_advisory_unlock_all(), setseed($seed),
           CASE WHEN pg_replication_origin_session_is_setup() THEN pg_replication_origin_session_reset() END
    FROM pg_catalog.pg_database WHERE datname = $database AND datname = current_database();
    UPDATE pg_catalog.pg_database SET datname = $renamed
    WHERE datname = $database AND datname = current_database()";

/// Forgets the numbers that the session has drawn from sequences; to set one back draws one, too.
const DISCARD_NUMBERS: &str = "DISCARD SEQUENCES";

/// What was written since the counters were at zero, a row each. The size of a table is that of
/// its file: to ask for it by `pg_relation_size` would open every table.
const STATISTICS: &str = "
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
        WHERE relkind IN ('r', 'm', 'S') AND NOT relisshared AND relnamespace <> 99 -- pg_toast
    ) relation
    WHERE CASE relkind
              WHEN 'S' THEN pg_stat_get_blocks_fetched(oid) > 0
              ELSE inserted + changed + maintained > 0 OR (pages > 0 AND oid = ANY ($empty))
          END";

/// What is found out about a database.
pub(in crate::postgres) enum Recycled {
    /// It equals its template.
    Yes(Reset),
    /// It does not, or that cannot be known.
    No,
    /// Other sessions did not leave in time.
    InUse,
}

/// How a database that equals its template was left.
pub(in crate::postgres) struct Reset {
    /// When the statistics were set to zero.
    pub(in crate::postgres) stats_reset: Option<String>,
    /// Whether the session equals a new one.
    pub(in crate::postgres) as_new: bool,
}

/// What is known of a database before it is looked at.
pub(in crate::postgres) struct Known<'a> {
    pub(in crate::postgres) snapshot: &'a Snapshot,
    /// The server's version.
    pub(in crate::postgres) version: i32,
    /// When the statistics of the database were set to zero, if ever.
    pub(in crate::postgres) stats_reset: Option<&'a str>,
    /// The session that looks, if it may serve several tests.
    pub(in crate::postgres) mark: Option<Mark>,
    /// How long other sessions may take to leave.
    pub(in crate::postgres) patience: Duration,
    /// The name of the database, and the one that it gets.
    pub(in crate::postgres) database: &'a str,
    pub(in crate::postgres) renamed: &'a str,
}

/// Renames the database, and proves that it equals its template, once everything that can be undone
/// is.
pub(in crate::postgres) async fn recycle(
    connection: &mut PgConnection,
    known: &Known<'_>,
) -> Result<Recycled, sqlx::Error> {
    let mark = known.mark;
    let reset = RESET_SESSION
        .replace("$database", &literal(known.database))
        .replace("$renamed", &literal(known.renamed))
        .replace("$seed", &random_seed());
    let mut rows = ask(connection, &reset).await;
    let in_transaction =
        |rows: &Vec<PgRow>| rows.first().is_some_and(|row| row.get("in_transaction"));
    if rows.as_ref().map_or(true, in_transaction) {
        connection.execute("ROLLBACK").await?;
        rows = ask(connection, &reset).await;
    }
    let rows = rows?;
    // A session that is in another database has changed nothing.
    let [before, session] = &rows[..] else {
        return Ok(Recycled::No);
    };
    let oid: i64 = session.try_get("database")?;
    let reset: Option<String> = session.try_get("reset")?;
    if !before.try_get::<bool, _>("counting")? || reset.as_deref() != known.stats_reset {
        return Ok(Recycled::No);
    }
    let parkable = mark.is_some();
    let mut plan = undo_plan(connection, known.snapshot, oid, parkable).await?;
    // Sessions that have left have reported what they wrote.
    if !plan.alone {
        if !is_alone(connection, oid, known.patience).await? {
            return Ok(Recycled::InUse);
        }
        plan = undo_plan(connection, known.snapshot, oid, parkable).await?;
    }
    let Plan { undo, memory, .. } = plan;
    let Some(undo) = undo else {
        return Ok(Recycled::No);
    };
    let pid: i32 = session.try_get("pid")?;
    if mark.is_some_and(|mark| mark.pid != pid) {
        return Ok(Recycled::No);
    }
    let new =
        mark.is_some_and(|mark| memory.is_some_and(|memory| memory.equals_new(mark.settings)));
    let as_new = new && !remembers_pages(&undo);
    if undo.is_empty() {
        return Ok(Recycled::Yes(Reset {
            stats_reset: reset,
            as_new,
        }));
    }
    carry_out(connection, &undo).await?;
    let (vacuum, proof) = (vacuum(&undo, known.version), proof(&undo, oid));
    for _ in 0..ATTEMPTS {
        if let Some(vacuum) = &vacuum {
            sqlx::raw_sql(AssertSqlSafe(vacuum.clone()))
                .execute(&mut *connection)
                .await?;
        }
        let rows = ask(connection, &proof).await?;
        let [clean, _, done] = &rows[..] else {
            break;
        };
        if clean.try_get(0)? && done.try_get("alone")? {
            return Ok(Recycled::Yes(Reset {
                stats_reset: done.try_get("reset")?,
                as_new,
            }));
        }
        // A session that just starts, be it elsewhere, keeps rows from being removed.
        tokio::time::sleep(MOMENT).await;
    }
    Ok(Recycled::No)
}

/// Returns a number between -1 and 1.
fn random_seed() -> String {
    let digits = random().unwrap_or_default();
    let number = u32::from_str_radix(digits.get(..8).unwrap_or_default(), 16).unwrap_or_default();
    format!("{}", f64::from(number) / f64::from(u32::MAX) * 2.0 - 1.0)
}

/// What undoes the changes of one relation.
enum Undo<'a> {
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

/// What undoes everything that was written.
struct Plan<'a> {
    /// None if it is not sure that it can be undone.
    undo: Option<Vec<Undo<'a>>>,
    /// Whether the session that looks was the only one before it looked.
    alone: bool,
    /// The memory of the session that looks, if it was asked for.
    memory: Option<Memory>,
}

/// Returns what undoes everything that was written.
async fn undo_plan<'a>(
    connection: &mut PgConnection,
    snapshot: &'a Snapshot,
    database: i64,
    memory: bool,
) -> Result<Plan<'a>, sqlx::Error> {
    let statistics = STATISTICS
        .replace("$tables", &oids(snapshot.tables.iter()))
        .replace("$empty", &oids(snapshot.empty()));
    // To look at sessions and statistics takes memory: that is looked at first.
    let (asked, from) = if memory {
        ("memory.*, ", format!("FROM ({}) memory", *MEMORY))
    } else {
        ("", String::new())
    };
    let query = format!("SELECT {asked}{} {from}; {statistics}", alone(database));
    let rows = ask(connection, &query).await?;
    let (session, rows) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
    let memory = if memory {
        Some(Memory {
            settings: session.try_get("settings")?,
            harmless: session.try_get("harmless")?,
        })
    } else {
        None
    };
    let undo: Option<Vec<Undo<'_>>> = rows
        .iter()
        .map(|row| match row.get("kind") {
            "S" => snapshot
                .restore_sequence(row.get("oid"))
                .map(Undo::Sequence),
            "r" if row.get::<i64, _>("maintained") == 0 => {
                // Of tables that are not the template's the size is not asked for.
                let pages: Option<i64> = row.get("pages");
                let (changed, toasted) = (row.get("changed"), row.get("toasted"));
                let (table, pages) = (snapshot.table(row.get("oid"))?, pages?);
                Some(Undo::Table {
                    table,
                    toasted,
                    pages,
                    statement: undo_table(table, snapshot.horizon, changed, pages)?,
                })
            }
            _ => None,
        })
        .collect();
    Ok(Plan {
        undo,
        alone: session.try_get("alone")?,
        memory,
    })
}

fn oids<'a>(tables: impl Iterator<Item = &'a Table>) -> String {
    let oids: Vec<String> = tables.map(|table| table.oid.to_string()).collect();
    format!("'{{{}}}'::oid[]", oids.join(","))
}

fn undo_table(table: &Table, horizon: i64, changed: i64, pages: i64) -> Option<String> {
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

async fn carry_out(connection: &mut PgConnection, undo: &[Undo<'_>]) -> Result<(), sqlx::Error> {
    let statements: Vec<&str> = undo
        .iter()
        .map(|undo| match undo {
            Undo::Sequence(statement) | Undo::Table { statement, .. } => statement.as_str(),
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

fn tables<'a>(undo: &'a [Undo<'_>]) -> impl Iterator<Item = &'a Table> {
    undo.iter().filter_map(|undo| match undo {
        Undo::Table { table, .. } => Some(*table),
        Undo::Sequence(_) => None,
    })
}

/// Whether the session remembers in which of a table's pages it has put a row last, and may put the
/// next one elsewhere than a new session would. It forgets that when a table is cut.
fn remembers_pages(undo: &[Undo<'_>]) -> bool {
    undo.iter().any(|undo| match undo {
        Undo::Sequence(_) => false,
        Undo::Table {
            table,
            toasted,
            pages,
            ..
        } => table.pages > 0 && (*toasted || table.pages > 1 && *pages == table.pages),
    })
}

/// The statement that removes dead rows: they would show in where new ones come to lie.
fn vacuum(undo: &[Undo<'_>], version: i32) -> Option<String> {
    let names: Vec<&str> = tables(undo).map(|table| table.name.as_str()).collect();
    let toasted = undo
        .iter()
        .any(|undo| matches!(undo, Undo::Table { toasted: true, .. }));
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

/// Returns the statements that show whether everything was undone, and set the statistics to zero.
fn proof(undo: &[Undo<'_>], database: i64) -> String {
    let mut clean = "true".to_owned();
    for Table {
        oid, pages, toast, ..
    } in tables(undo)
    {
        let _ = write!(
            clean,
            " AND pg_relation_size({oid}::oid) = {pages} * current_setting('block_size')::bigint
              AND pg_stat_get_dead_tuples({oid}::oid) + pg_stat_get_dead_tuples({toast}::oid) = 0"
        );
    }
    format!(
        "SELECT {clean} AS clean;
         SELECT pg_stat_reset(), pg_stat_clear_snapshot();
         SELECT pg_stat_get_db_stat_reset_time({database}::oid)::text AS reset,
                pg_stat_get_db_numbackends({database}::oid) = 1 AS alone"
    )
}
