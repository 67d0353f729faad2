//! PostgreSQL: the server's settings, the injectable types, the handle to a test's database.

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool, Row};

use crate::declaration::{Isolation, PostgresOptions};
use crate::provider::{STARTUP_TIMEOUT, Service, Wanted, random};
use crate::sql::quoted;
use crate::{Declares, Error, FromContext, Result, TestContext};

/// The service `postgres`, as named in [`Declares`].
#[derive(Debug)]
pub enum Postgres {}

/// The default image: the newest major version that the whole suite runs on.
const IMAGE: &str = "postgres:17-alpine";

/// Nothing that a test server holds needs to survive a crash; no test waits for a disk.
/// Autovacuum off keeps background work out of the tests' time.
const SETTINGS: [&str; 8] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=400",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "log_line_prefix=%m [%p] %q%d ",
];

/// The server that the options ask for.
pub(crate) fn wanted(options: &PostgresOptions) -> Result<Wanted> {
    let mut args: Vec<String> = SETTINGS
        .iter()
        .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()])
        .collect();
    args.extend(options.args.iter().map(|&argument| argument.to_owned()));
    // The password travels over loopback only: hashing it for every connection would cost more
    // than connecting.
    let mut env = vec![
        (
            "POSTGRES_HOST_AUTH_METHOD".to_owned(),
            "password".to_owned(),
        ),
        (
            "POSTGRES_INITDB_ARGS".to_owned(),
            "--no-sync --auth-host=md5".to_owned(),
        ),
    ];
    env.extend(
        options
            .env
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned())),
    );
    Ok(Wanted {
        service: Service::Postgres,
        image: options.image.unwrap_or(IMAGE).to_owned(),
        args,
        env,
        startup_timeout: options.startup_timeout.unwrap_or(STARTUP_TIMEOUT),
        only_for: match options.isolation {
            Isolation::Shared => None,
            Isolation::Server => Some(random()?),
        },
    })
}

fn failed(what: &str) -> impl FnOnce(sqlx::Error) -> Error {
    let step = what.to_owned();
    move |error| Error::new(step).because(error)
}

impl<D: Declares<Postgres>> FromContext<D> for PgPool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.postgres()?.pool().await.clone())
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolConnection<sqlx::Postgres> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.postgres()?
            .pool()
            .await
            .acquire()
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.postgres()?.connect().await
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnectOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.postgres()?.options())
    }
}

impl<D: Declares<Postgres>> FromContext<D> for Database {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let options = cx.postgres()?.options();
        Ok(Self {
            url: options.to_url_lossy().to_string(),
            pool: cx.postgres()?.pool().await.clone(),
        })
    }
}

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
#[derive(Clone, Debug)]
pub struct Database {
    url: String,
    pool: PgPool,
}

impl Database {
    /// The URL of the database, with user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of rows of a table.
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
            .map_err(failed(&format!("count the rows of {table}")))
    }

    /// Whether there is a table, view, materialised view or foreign table of this name.
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
            .map_err(failed(&format!("truncate {table}")))?;
        Ok(())
    }

    /// Empties all tables of all schemas, except the list of applied migrations, and starts
    /// their identities and sequences anew. Rows that migrations or seeds inserted go as well.
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
              AND c.relname <> '_sqlx_migrations'
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

    /// The quoted name of an existing table, with its schema.
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
            .map_err(failed(&format!("look up the table {table}")))?;
        Ok(found.map(|row| row.get("name")))
    }
}

/// The parts of a name: split at dots, except within double quotes.
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
