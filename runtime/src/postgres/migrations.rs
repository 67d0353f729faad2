//! Where a test's schema comes from.

use super::code::Code;
use super::database::Database;
use crate::seeds::{Async, Plain, SeedFunction, SeedOutput};

/// Where a test's schema comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Migrations {
    /// Nothing said: the directory `migrations` beside `Cargo.toml`, or the one that `sqlx.toml`
    /// names, if there is one.
    #[default]
    Default,
    /// The same, if that directory was there when the test was compiled, as the attribute sets it:
    /// one that is missing when the test runs is an error.
    Usual,
    /// `migrations = "dir"`: a directory of SQL files as sqlx names them, relative to the crate.
    Directory(String),
    /// `migrations = ["…", …]`: SQL scripts, applied in order.
    Inline(Vec<String>),
    /// `migrations = path`: Rust code, such as a `static` of sqlx's `Migrator` or a function. It is
    /// made by [`IntoMigrations`], or by [`Migrations::function`].
    Code(Code),
    /// `migrations = false`.
    Disabled,
}

impl Migrations {
    /// Returns SQL scripts, which are applied in order.
    pub fn inline(scripts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Inline(scripts.into_iter().map(Into::into).collect())
    }

    /// Returns a function that makes the schema in a new database: an `async fn` or a plain `fn` that
    /// takes [`Database`] and returns `()` or `Result<(), E>`.
    ///
    /// It is called once per template, on a thread of its own. Programs that are built from the same
    /// code share the template; another build calls it again.
    pub fn function<K: 'static>(
        function: impl SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
    ) -> Self {
        Self::Code(Code::function(None, function))
    }

    /// Returns a function like that of [`function`](Self::function), with a text that differs where
    /// the schema that it makes differs, such as a hash of all migrations. Programs with an equal text
    /// share the template.
    pub fn versioned_function<K: 'static>(
        version: impl Into<String>,
        function: impl SeedFunction<(Database,), K, Output: SeedOutput> + Sync,
    ) -> Self {
        Self::Code(Code::function(Some(version.into()), function))
    }
}

/// What `migrations = path` can name: a migrator of sqlx, a function, or with a feature what another
/// tool has.
///
/// | path | feature |
/// |---|---|
/// | a `static` of [`sqlx::migrate::Migrator`](sqlx_core::migrate::Migrator) of sqlx 0.9 | `postgres` |
/// | a function: `async fn migrate(database: Database) -> Result<(), E>`, or without `async` | `postgres` |
/// | a `static` of `sqlx::migrate::Migrator` of sqlx 0.8 | `sqlx-0_8` |
/// | a `const` of `diesel_migrations::EmbeddedMigrations` | `diesel-migrations` |
/// | the function `migrations::runner` that `refinery::embed_migrations!` makes | `refinery` |
/// | a unit struct that implements `MigratorTrait` of sea-orm-migration 2, of 1.1 | `sea-orm-migration-2`, `sea-orm-migration-1` |
///
/// Each tool records in the database what it has applied, as it does for the application.
///
/// Implement it for the type of another migrator, with
/// [`Migrations::versioned_function`]. `K` tells implementations for any type apart; those for one
/// type have `()`.
#[diagnostic::on_unimplemented(
    message = "this makes no schema",
    label = "neither a migrator nor a function that takes `Database`",
    note = "`migrations = path` names a `static` of `sqlx::migrate::Migrator`, or a function such as `async fn migrate(database: Database) -> Result<(), E>`",
    note = "migrations of other tools take a feature of container-test: `sqlx-0_8`, `diesel-migrations`, `refinery`, `sea-orm-migration-1` or `sea-orm-migration-2`",
    note = "SQL goes into a list: `migrations = [ … ]`"
)]
pub trait IntoMigrations<K> {
    /// Returns how the schema is made.
    fn migrations(&'static self) -> Migrations;
}

impl<F> IntoMigrations<Async> for F
where
    F: SeedFunction<(Database,), Async, Output: SeedOutput> + Clone + Sync,
{
    fn migrations(&'static self) -> Migrations {
        Migrations::function(self.clone())
    }
}

impl<F> IntoMigrations<Plain> for F
where
    F: SeedFunction<(Database,), Plain, Output: SeedOutput> + Clone + Sync,
{
    fn migrations(&'static self) -> Migrations {
        Migrations::function(self.clone())
    }
}

/// Returns SQL scripts as the attribute writes them.
#[doc(hidden)]
#[must_use]
pub fn inline(scripts: &'static [&'static str]) -> Migrations {
    Migrations::inline(scripts.iter().copied())
}

/// Returns migrations that the attribute names by their path.
#[doc(hidden)]
#[must_use]
pub fn code<K>(code: &'static impl IntoMigrations<K>) -> Migrations {
    code.migrations()
}
