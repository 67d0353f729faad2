//! What recycling needs to know of a template: which tables hold rows, where sequences stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::Server;
use crate::sql::literal;

/// A template as it was finished. Object ids are the same in all its clones.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    /// No row of the template was written by this transaction or a later one.
    pub(super) horizon: i64,
    pub(super) tables: Vec<Table>,
    pub(super) sequences: Vec<Sequence>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) oid: i64,
    /// The table of its values out of line, or 0.
    pub(super) toast: i64,
    /// Quoted, with its schema.
    pub(super) name: String,
    /// Its size: with no pages it holds no row, not even a dead one.
    pub(super) pages: i64,
    /// Deleting its rows does just that, and leaves no trace: it has no rules, no triggers that
    /// always fire, and was vacuumed.
    pub(super) plain: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sequence {
    pub(super) oid: i64,
    pub(super) last_value: i64,
    pub(super) is_called: bool,
}

/// How to remove dead rows, and pages at the end that hold none. Since PostgreSQL 18 it shows in the
/// catalog how much of a table is frozen: all of it, then.
pub(super) fn vacuum_options(version: i32) -> &'static str {
    if version < 180_000 {
        "INDEX_CLEANUP ON, TRUNCATE ON"
    } else {
        "FREEZE, INDEX_CLEANUP ON, TRUNCATE ON"
    }
}

const TABLES: &str = "
    SELECT c.oid::bigint AS oid, c.reltoastrelid::bigint AS toast,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
           pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
           pg_stat_get_vacuum_count(c.oid) > 0 AND NOT c.relhasrules AND NOT EXISTS (
               SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')) AS plain,
           pg_relation_size(c.oid) > 0 AND (
               pg_stat_get_dead_tuples(c.oid) > 0 OR pg_relation_size(c.oid) < 1024 * 1024) AS rewrite
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid";

/// Tables that were vacuumed in vain.
const UNSETTLED: &str = "
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        AND EXISTS (
            SELECT FROM pg_class r WHERE r.oid IN (c.oid, c.reltoastrelid)
                AND (r.relallvisible < r.relpages OR pg_stat_get_dead_tuples(r.oid) > 0))";

/// The server logs sequences some numbers ahead, and shows by how many: a sequence that is put
/// back is ahead by none.
const SETTLE: &str = "
    SELECT format('SELECT setval(%s::oid::regclass, last_value, is_called) FROM %I.%I', c.oid, n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S'";

const SEQUENCES: &str = "
    SELECT c.oid::bigint AS oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' ORDER BY c.oid";

impl Profile {
    /// Reads the profile of the database that the connection is to, tidied up if databases of the
    /// server can be recycled.
    pub(super) async fn read(
        connection: &mut PgConnection,
        server: &Server,
    ) -> Result<Self, sqlx::Error> {
        // What migrations left in the session must not change what is seen.
        sqlx::raw_sql("RESET ALL; SET SESSION AUTHORIZATION DEFAULT")
            .execute(&mut *connection)
            .await?;
        if server.can_recycle() {
            tidy(connection, vacuum_options(server.facts.version_number)).await?;
        }
        let horizon: String = sqlx::query_scalar("SELECT (txid_current() + 1)::text")
            .fetch_one(&mut *connection)
            .await?;
        let tables = sqlx::query(TABLES)
            .fetch_all(&mut *connection)
            .await?
            .iter()
            .map(|row| Table {
                oid: row.get("oid"),
                toast: row.get("toast"),
                name: row.get("name"),
                pages: row.get("pages"),
                plain: row.get("plain"),
            })
            .collect();
        let sequences = sqlx::query(SEQUENCES).fetch_all(&mut *connection).await?;
        let values: Vec<String> = sequences
            .iter()
            .map(|row| {
                let (oid, name): (i64, String) = (row.get("oid"), row.get("name"));
                format!("SELECT {oid}::bigint AS oid, last_value, is_called FROM {name}")
            })
            .collect();
        let sequences = if values.is_empty() {
            Vec::new()
        } else {
            let query = values.join(" UNION ALL ");
            let rows = sqlx::query(AssertSqlSafe(query))
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| Sequence {
                    oid: row.get("oid"),
                    last_value: row.get("last_value"),
                    is_called: row.get("is_called"),
                })
                .collect()
        };
        Ok(Self {
            horizon: horizon.parse().unwrap_or(i64::MAX),
            tables,
            sequences,
        })
    }

    /// The tables that hold no rows.
    pub(super) fn empty(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.pages == 0)
    }

    /// For the registry.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the registry.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn table(&self, oid: i64) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// The statement that puts a sequence back.
    pub(super) fn restore_sequence(&self, oid: i64) -> Option<String> {
        let Sequence {
            last_value,
            is_called,
            ..
        } = self.sequences.iter().find(|sequence| sequence.oid == oid)?;
        Some(format!(
            "SELECT setval({}::oid::regclass, {last_value}, {is_called})",
            literal(&oid.to_string())
        ))
    }
}

/// Brings tables and sequences into the state that putting them back gives: rows without gaps in
/// between, in the order in which they lie, and new rows after them.
async fn tidy(connection: &mut PgConnection, options: &str) -> Result<(), sqlx::Error> {
    for statement in [
        // What is not on disk for sure is not marked as visible to all, which the planner sees.
        "SET synchronous_commit = on",
        "SELECT pg_logical_emit_message(true, '', ''), pg_stat_force_next_flush()",
    ] {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    let tables = sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await?;
    let names = |chosen: fn(&PgRow) -> bool| -> Vec<String> {
        let chosen = tables.iter().filter(|row| chosen(row));
        chosen.map(|row| row.get("name")).collect()
    };
    // To rewrite a table closes gaps without changing the order, and counts in indexes what
    // vacuuming will count there; large tables that were just filled are worth less trouble.
    vacuum(connection, "FULL", &names(|row| row.get("rewrite"))).await;
    vacuum(connection, options, &names(|_| true)).await;
    // A session that just starts, be it elsewhere, keeps rows from being visible to all.
    for _ in 0..50 {
        let unsettled = sqlx::raw_sql(UNSETTLED).fetch_all(&mut *connection).await?;
        let unsettled: Vec<String> = unsettled.iter().map(|row| row.get("name")).collect();
        if unsettled.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        vacuum(connection, options, &unsettled).await;
    }
    for row in sqlx::raw_sql(SETTLE).fetch_all(&mut *connection).await? {
        let settle: String = row.get(0);
        sqlx::raw_sql(AssertSqlSafe(settle))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn vacuum(connection: &mut PgConnection, options: &str, names: &[String]) {
    for name in names {
        // A table that cannot be vacuumed is just not put back.
        let _ = sqlx::raw_sql(AssertSqlSafe(format!("VACUUM ({options}) {name}")))
            .execute(&mut *connection)
            .await;
    }
}
