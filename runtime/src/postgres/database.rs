//! The handle to a test's database.

use sqlx::{AssertSqlSafe, Executor, PgPool, Row};

use super::failure::failed;
use super::sql::quoted;
use crate::{Error, Result};

/// A handle to the test's database: its address, and what tests ask and do all the time.
///
/// Tables are named as in SQL: `users`, or `billing.invoices` with its schema; each part is
/// quoted, and a name without a schema is looked up along the `search_path`. A name that needs
/// quotes in SQL needs none here, unless it contains a dot itself: `"odd.name"`.
///
/// # Examples
///
/// ```
/// use container_test::{Database, container_test};
///
/// #[container_test(postgres, migrations = ["CREATE TABLE users (id int)"])]
/// async fn starts_empty(database: Database) -> container_test::Result<()> {
///     assert!(database.table_exists("users").await?);
///     assert_eq!(database.row_count("users").await?, 0);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Database {
    url: String,
    pub(super) pool: PgPool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL has the password.
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    pub(super) fn new(url: String, pool: PgPool) -> Self {
        Self { url, pool }
    }

    /// Returns the URL of the database, with user and password, in the form that every client of
    /// PostgreSQL takes.
    ///
    /// It leads nowhere once the test has ended, unless the database is retained.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of rows of a table.
    ///
    /// # Errors
    ///
    /// If there is no such table, or the server cannot be asked.
    pub async fn row_count(&self, table: &str) -> Result<i64> {
        let name = self.existing(table, "count the rows of").await?;
        let count = format!("SELECT count(*) FROM {name}");
        sqlx::query_scalar(AssertSqlSafe(count))
            .fetch_one(&self.pool)
            .await
            .map_err(failed(format!("count the rows of {table}")))
    }

    /// Returns whether there is a table, view, materialised view or foreign table of this name.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked.
    pub async fn table_exists(&self, table: &str) -> Result<bool> {
        Ok(self.resolve(table).await?.is_some())
    }

    /// Empties a table, and with it those that refer to it.
    ///
    /// # Errors
    ///
    /// If there is no such table, or the server refuses.
    pub async fn truncate(&self, table: &str) -> Result<()> {
        let name = self.existing(table, "truncate").await?;
        self.pool
            .execute(AssertSqlSafe(format!("TRUNCATE TABLE {name} CASCADE")))
            .await
            .map_err(failed(format!("truncate {table}")))?;
        Ok(())
    }

    /// Empties all tables of all schemas, and starts their identities and sequences again from their
    /// first value. Rows that migrations or seeds inserted go as well. The list of applied migrations
    /// stays, whatever its name: it is a table with the columns that sqlx, diesel, refinery or sea-orm
    /// gives it.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub async fn truncate_all(&self) -> Result<()> {
        const TABLES: &str = "
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
              AND coalesce((SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a
                            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
                  NOT IN ('version description installed_on success checksum execution_time', -- sqlx
                          'version run_on', -- diesel
                          'version name applied_on checksum', -- refinery
                          'version applied_at') -- sea-orm
              AND NOT EXISTS (SELECT FROM pg_depend d
                              WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
        let step = "truncate all tables";
        let tables: Vec<String> = sqlx::query_scalar(TABLES)
            .fetch_all(&self.pool)
            .await
            .map_err(failed(step))?;
        if !tables.is_empty() {
            let truncate = format!(
                "TRUNCATE TABLE {} RESTART IDENTITY CASCADE",
                tables.join(", ")
            );
            self.pool
                .execute(AssertSqlSafe(truncate))
                .await
                .map_err(failed(step))?;
        }
        Ok(())
    }

    /// Returns the quoted name of an existing table, with its schema.
    async fn existing(&self, table: &str, step: &str) -> Result<String> {
        match self.resolve(table).await? {
            Some(name) => Ok(name),
            None => Err(Error::new(format!("{step} {table}"))
                .because("there is no such table")
                .with_help(
                    "check the name and its schema, and whether the migrations that create it ran",
                )),
        }
    }

    async fn resolve(&self, table: &str) -> Result<Option<String>> {
        const QUERY: &str = "
            SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
        let name = parts(table)
            .iter()
            .map(|part| quoted(part))
            .collect::<Vec<_>>()
            .join(".");
        let found = sqlx::query(QUERY)
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(format!("look up the table {table}")))?;
        Ok(found.map(|row| row.get("name")))
    }
}

/// Returns the parts of a name: split at dots, except within double quotes.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut in_quotes = false;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                parts.last_mut().into_iter().for_each(|part| part.push('"'));
            }
            '"' => in_quotes = !in_quotes,
            '.' if !in_quotes => parts.push(String::new()),
            _ => parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.push(character)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_dots_outside_quotes() {
        assert_eq!(parts("users"), ["users"]);
        assert_eq!(parts("billing.Invoices"), ["billing", "Invoices"]);
        assert_eq!(parts(r#"a."b.c""d""#), ["a", r#"b.c"d"#]);
    }
}
