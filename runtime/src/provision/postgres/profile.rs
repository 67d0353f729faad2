//! What recycling needs to know of a template: which tables hold rows, where sequences stand.

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection, Row};

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

/// Removes dead rows, and pages at the end that hold none.
pub(super) const VACUUM: &str = "VACUUM (INDEX_CLEANUP ON, TRUNCATE ON)";

const TABLES: &str = "
    SELECT c.oid::bigint AS oid,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
           pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
           pg_stat_get_vacuum_count(c.oid) > 0 AND NOT c.relhasrules AND NOT EXISTS (
               SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')) AS plain,
           pg_stat_get_dead_tuples(c.oid) > 0 AS gaps
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid";

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
    /// Reads the profile of the database that the connection is to.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        // What migrations left in the session must not change what is seen.
        sqlx::raw_sql("RESET ALL; SET SESSION AUTHORIZATION DEFAULT")
            .execute(&mut *connection)
            .await?;
        let can_tidy: bool = sqlx::query_scalar("SELECT current_setting('is_superuser') = 'on'")
            .fetch_one(&mut *connection)
            .await?;
        if can_tidy {
            tidy(connection).await?;
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
async fn tidy(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()")
        .execute(&mut *connection)
        .await?;
    let tables = sqlx::raw_sql(TABLES).fetch_all(&mut *connection).await?;
    for full in [true, false] {
        let names: Vec<&str> = tables
            .iter()
            .filter(|row| !full || (row.get("gaps") && row.get::<i64, _>("pages") > 0))
            .map(|row| row.get("name"))
            .collect();
        for name in names {
            let vacuum = if full { "VACUUM FULL" } else { VACUUM };
            // A table that cannot be vacuumed is just not put back.
            let _ = sqlx::raw_sql(AssertSqlSafe(format!("{vacuum} {name}")))
                .execute(&mut *connection)
                .await;
        }
    }
    for row in sqlx::raw_sql(SETTLE).fetch_all(&mut *connection).await? {
        let settle: String = row.get(0);
        sqlx::raw_sql(AssertSqlSafe(settle))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
