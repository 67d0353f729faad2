//! The options of `postgres(…)`.

use std::fmt;
use std::time::Duration;

use super::lease::POOL_SIZE;
use super::migrations::Migrations;
use crate::service::{Isolation, NamesOf};

/// PostgreSQL: the service `postgres` of the attribute, with its options.
///
/// # Examples
///
/// ```
/// use container_test::{Migrations, Postgres};
///
/// let mut postgres = Postgres::default();
/// postgres.migrations = Migrations::Directory("db/migrations".to_owned());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Postgres {
    /// Image of the container. Default: `postgres:17-alpine`.
    pub image: Option<String>,
    /// Name of the test's database on a server of the test's own; on a shared server, where names
    /// are unique, its beginning. Default: the crate's name.
    pub database: Option<String>,
    /// Role that the test connects as. Default: `postgres`, a superuser, whom neither policies nor
    /// missing grants stop. Any other name is that of an ordinary role, which owns the database and
    /// what migrations and seeds make; databases of tests that name one are not recycled. A server
    /// given by URL ignores it: tests connect as the role of the URL.
    pub user: Option<String>,
    /// Extensions that the administrator creates before the migrations run: most of them take a
    /// superuser. Default: none.
    pub extensions: Vec<String>,
    /// What the test has to itself. Default: a database on a shared server.
    pub isolation: Isolation,
    /// Longest time that the server may take to answer. Default: 60 s.
    pub startup_timeout: Option<Duration>,
    /// Further arguments of the server program, such as `-c work_mem=64MB`. Default: none.
    pub args: Vec<String>,
    /// Further environment of the server, as name and value. Default: none.
    pub env: Vec<(String, String)>,
    /// Whether a database that is proven to equal its template may serve another test. Default:
    /// true.
    pub recycle: bool,
    /// Most connections that the test's pool opens. Default: 5.
    pub max_connections: Option<u32>,
    /// Whether SQL seeds are applied once, in the template, rather than for each test: that is
    /// fast, and what they write is as old as the template. Default: up to the first seed that
    /// reads the clock or draws random numbers.
    pub template_seeds: Option<bool>,
    /// Where the schema comes from. Default: the directory `migrations` beside `Cargo.toml`, if
    /// there is one.
    pub migrations: Migrations,
}

impl Postgres {
    /// Returns the most connections that the test's pool opens.
    pub(super) fn pool_size(&self) -> u32 {
        self.max_connections.unwrap_or(POOL_SIZE)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("image", &self.image)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("extensions", &self.extensions)
            .field("isolation", &self.isolation)
            .field("startup_timeout", &self.startup_timeout)
            .field("args", &self.args)
            .field("env", &NamesOf(&self.env))
            .field("recycle", &self.recycle)
            .field("max_connections", &self.max_connections)
            .field("template_seeds", &self.template_seeds)
            .field("migrations", &self.migrations)
            .finish()
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            image: None,
            database: None,
            user: None,
            extensions: Vec::new(),
            isolation: Isolation::default(),
            startup_timeout: None,
            args: Vec::new(),
            env: Vec::new(),
            recycle: true,
            max_connections: None,
            template_seeds: None,
            migrations: Migrations::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_may_be_secret_and_are_not_shown() {
        let postgres = Postgres {
            user: Some("app".to_owned()),
            env: vec![("TOKEN".to_owned(), "hidden".to_owned())],
            ..Postgres::default()
        };
        let shown = format!("{postgres:?}");
        assert!(shown.contains("app") && shown.contains("TOKEN"), "{shown}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
