//! Where a test's schema comes from.

use super::code::Code;
use super::database::Database;
use crate::seeds::{SeedFunction, SeedOutput};

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

/// What `migrations = path` can name: a `static` of a migrator, or a function.
///
/// Implement it for the type of another migrator, with
/// [`Migrations::versioned_function`]. `K` tells the implementations for functions apart; others
/// have `()`.
#[diagnostic::on_unimplemented(
    message = "this makes no schema",
    label = "neither a `static` migrator nor a function that takes `Database`",
    note = "`migrations = path` names a `static` of `sqlx::migrate::Migrator`, or a function such as `async fn migrate(database: Database) -> Result<(), E>`",
    note = "SQL goes into a list: `migrations = [ … ]`"
)]
pub trait IntoMigrations<K> {
    /// Returns how the schema is made.
    fn migrations(&'static self) -> Migrations;
}

impl<K, F> IntoMigrations<K> for F
where
    F: SeedFunction<(Database,), K, Output: SeedOutput> + Clone + Sync,
    K: 'static,
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
