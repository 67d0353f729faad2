//! A template's snapshot: what its clones have beside its contents, which of its tables hold rows,
//! where its sequences stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::postgres::properties::Properties;
use crate::postgres::sql::literal;

/// A template as it was finished. Object ids are the same in all its clones.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Snapshot {
    /// Owner of the database.
    pub(in crate::postgres) owner: String,
    /// Statements that give a clone what the server knows of the template beside its contents.
    pub(in crate::postgres) statements: Vec<String>,
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

/// The tables. Those of `$tidy` were tidied up in the database that this one was cloned from, before
/// the transaction `$horizon`: unless they were touched since, they still are.
const TABLES: &str = "
    SELECT c.oid::bigint AS oid, c.reltoastrelid::bigint AS toast,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
           pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
           (pg_stat_get_vacuum_count(c.oid) > 0 OR NOT touched) AND NOT c.relhasrules AND NOT EXISTS (
               SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')) AS plain,
           touched,
           pg_relation_size(c.oid) > 0 AND (
               pg_stat_get_dead_tuples(c.oid) > 0 OR pg_relation_size(c.oid) < 1024 * 1024) AS rewrite
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
        LATERAL (SELECT NOT c.oid = ANY ($tidy) OR c.xmin::text::bigint >= $horizon
            OR pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
                + pg_stat_get_tuples_deleted(c.oid) > 0
            OR EXISTS (SELECT FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                       WHERE x.indrelid = c.oid AND i.xmin::text::bigint >= $horizon) AS touched) since
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY c.oid";

/// Sessions of the database that have not left yet: what they have written is not counted.
const OTHERS: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";

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

/// What a template holds, as far as putting a clone back needs it.
#[derive(Debug)]
pub(in crate::postgres) struct Contents {
    horizon: i64,
    tables: Vec<Table>,
    sequences: Vec<Sequence>,
}

impl Contents {
    /// What is enough where databases are not recycled; a role may not see all of the rest.
    pub(in crate::postgres) fn unknown() -> Self {
        Self {
            horizon: i64::MAX,
            tables: Vec::new(),
            sequences: Vec::new(),
        }
    }

    /// Tidies up the connection's database and reads what it holds; tables that equal those of
    /// `base`, which it was cloned from, are left as they are. `version` is the server's.
    pub(in crate::postgres) async fn tidy(
        connection: &mut PgConnection,
        version: i32,
        base: Option<&Snapshot>,
    ) -> Result<Self, sqlx::Error> {
        let base = base.filter(|base| base.horizon < i64::MAX);
        let list = list_of_tables(connection, base).await?;
        tidy(connection, vacuum_options(version), &list).await?;
        let horizon: String = sqlx::query_scalar("SELECT (txid_current() + 1)::text")
            .fetch_one(&mut *connection)
            .await?;
        Ok(Self {
            horizon: horizon.parse().unwrap_or(i64::MAX),
            tables: tables(connection, &list).await?,
            sequences: sequences(connection).await?,
        })
    }
}

impl Snapshot {
    pub(in crate::postgres) fn new(properties: Properties, contents: Contents) -> Self {
        let Properties { owner, statements } = properties;
        let Contents {
            horizon,
            tables,
            sequences,
        } = contents;
        Self {
            owner,
            statements,
            horizon,
            tables,
            sequences,
        }
    }

    /// Returns the tables that hold no rows.
    pub(super) fn empty(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.pages == 0)
    }

    /// Returns the snapshot as the registry holds it.
    pub(in crate::postgres) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what the registry holds.
    pub(in crate::postgres) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn table(&self, oid: i64) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// Returns the statement that sets a sequence back.
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

/// Returns the query that lists the tables, and says which were touched since the database was cloned
/// from `base`.
async fn list_of_tables(
    connection: &mut PgConnection,
    base: Option<&Snapshot>,
) -> Result<String, sqlx::Error> {
    let mut others: i64 = 0;
    for _ in 0..50 {
        others = sqlx::query_scalar(OTHERS)
            .fetch_one(&mut *connection)
            .await?;
        if others == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (tidy, horizon): (Vec<&Table>, i64) = match base.filter(|_| others == 0) {
        Some(base) => (
            base.tables.iter().filter(|table| table.plain).collect(),
            base.horizon,
        ),
        None => (Vec::new(), 0),
    };
    let tidy: Vec<String> = tidy.iter().map(|table| table.oid.to_string()).collect();
    let tidy = format!("'{{{}}}'::oid[]", tidy.join(","));
    let horizon = horizon.to_string();
    Ok(TABLES.replace("$tidy", &tidy).replace("$horizon", &horizon))
}

async fn tables(connection: &mut PgConnection, list: &str) -> Result<Vec<Table>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(list.to_owned()));
    let rows = rows.fetch_all(connection).await?;
    let tables = rows.iter().map(|row| Table {
        oid: row.get("oid"),
        toast: row.get("toast"),
        name: row.get("name"),
        pages: row.get("pages"),
        plain: row.get("plain"),
    });
    Ok(tables.collect())
}

async fn sequences(connection: &mut PgConnection) -> Result<Vec<Sequence>, sqlx::Error> {
    let sequences = sqlx::query(SEQUENCES).fetch_all(&mut *connection).await?;
    let values: Vec<String> = sequences
        .iter()
        .map(|row| {
            let (oid, name): (i64, String) = (row.get("oid"), row.get("name"));
            format!("SELECT {oid}::bigint AS oid, last_value, is_called FROM {name}")
        })
        .collect();
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(AssertSqlSafe(values.join(" UNION ALL ")))
        .fetch_all(connection)
        .await?;
    let sequences = rows.iter().map(|row| Sequence {
        oid: row.get("oid"),
        last_value: row.get("last_value"),
        is_called: row.get("is_called"),
    });
    Ok(sequences.collect())
}

/// Brings tables and sequences into the state that putting them back gives: rows without gaps in
/// between, in the order in which they lie, and new rows after them.
async fn tidy(connection: &mut PgConnection, options: &str, list: &str) -> Result<(), sqlx::Error> {
    for statement in [
        // What is not on disk for sure is not marked as visible to all, which the planner sees.
        "SET synchronous_commit = on",
        "SELECT pg_logical_emit_message(true, '', ''), pg_stat_force_next_flush()",
    ] {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    let tables = sqlx::raw_sql(AssertSqlSafe(list.to_owned()));
    let mut tables = tables.fetch_all(&mut *connection).await?;
    tables.retain(|row| row.get("touched"));
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
    let sequences = sqlx::raw_sql(SETTLE).fetch_all(&mut *connection).await?;
    let settle: Vec<String> = sequences.iter().map(|row| row.get(0)).collect();
    sqlx::raw_sql(AssertSqlSafe(settle.join("; ")))
        .execute(connection)
        .await?;
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
