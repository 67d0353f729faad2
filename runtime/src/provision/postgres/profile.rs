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
    /// It has never held a row.
    pub(super) empty: bool,
    /// Deleting its rows does just that: it has no rules, and no triggers that always fire.
    pub(super) plain: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sequence {
    pub(super) oid: i64,
    pub(super) last_value: i64,
    pub(super) is_called: bool,
}

const TABLES: &str = "
    SELECT c.oid::bigint AS oid,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
           pg_relation_size(c.oid) = 0 AS empty,
           NOT c.relhasrules AND NOT EXISTS (
               SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')) AS plain
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid";

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
                empty: row.get("empty"),
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
