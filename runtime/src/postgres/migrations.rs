//! Where a test's schema comes from.

/// Where a test's schema comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Migrations {
    /// Nothing said: the directory `migrations` beside `Cargo.toml`, if there is one.
    #[default]
    Default,
    /// The same, if that directory was there when the test was compiled, as the attribute sets it:
    /// one that is missing when the test runs is an error.
    Usual,
    /// `migrations = "dir"`: a directory of SQL files as sqlx names them, relative to the crate.
    Directory(String),
    /// `migrations = ["…", …]`: SQL scripts, applied in order.
    Inline(Vec<String>),
    /// `migrations = false`.
    Disabled,
}

impl Migrations {
    /// Returns SQL scripts, which are applied in order.
    pub fn inline(scripts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Inline(scripts.into_iter().map(Into::into).collect())
    }
}

/// Returns SQL scripts as the attribute writes them.
#[doc(hidden)]
#[must_use]
pub fn inline(scripts: &'static [&'static str]) -> Migrations {
    Migrations::inline(scripts.iter().copied())
}
