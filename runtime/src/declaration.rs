//! What one annotated test declared: plain data, written by the attribute's expansion.

use std::time::Duration;

/// One annotated test, as its attribute declared it.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Path of the test function: module path and name.
    pub name: &'static str,
    /// Directory of the crate's `Cargo.toml` when it was compiled.
    pub manifest_dir: &'static str,
    /// The `postgres` service, if declared.
    pub postgres: Option<PostgresOptions>,
    /// The `redis` service, if declared.
    pub redis: Option<RedisOptions>,
    /// Where the schema comes from.
    pub migrations: Migrations,
    /// Longest time that the body may take; `None`: no limit.
    pub timeout: Option<Duration>,
    /// The tokio runtime that the body runs on.
    pub flavor: Flavor,
    /// Whether the function has `#[should_panic]`.
    pub should_panic: bool,
}

impl Test {
    /// A test that declares nothing: the base that expansions fill in.
    #[must_use]
    pub const fn new(name: &'static str, manifest_dir: &'static str) -> Self {
        Self {
            name,
            manifest_dir,
            postgres: None,
            redis: None,
            migrations: Migrations::Default,
            timeout: None,
            flavor: Flavor::CurrentThread,
            should_panic: false,
        }
    }
}

/// Options of `postgres(…)`.
#[derive(Clone, Copy, Debug)]
pub struct PostgresOptions {
    /// Image instead of the default one.
    pub image: Option<&'static str>,
    /// Name, or on a shared server the beginning of the name, of the test's database.
    pub database: Option<&'static str>,
    /// Role that the test connects as; `postgres` by default.
    pub user: Option<&'static str>,
    /// What the test has to itself.
    pub isolation: Isolation,
    /// Longest time that a server may take to answer.
    pub startup_timeout: Option<Duration>,
    /// Further arguments of the server program.
    pub args: &'static [&'static str],
    /// Further environment of the server, as name and value.
    pub env: &'static [(&'static str, &'static str)],
    /// Whether a database that is proven unchanged may serve another test.
    pub recycle: bool,
}

impl PostgresOptions {
    /// What a bare `postgres` stands for.
    pub const DEFAULT: Self = Self {
        image: None,
        database: None,
        user: None,
        isolation: Isolation::Shared,
        startup_timeout: None,
        args: &[],
        env: &[],
        recycle: true,
    };
}

/// Options of `redis(…)`.
#[derive(Clone, Copy, Debug)]
pub struct RedisOptions {
    /// Image instead of the default one.
    pub image: Option<&'static str>,
    /// What the test has to itself.
    pub isolation: Isolation,
    /// Longest time that a server may take to answer.
    pub startup_timeout: Option<Duration>,
    /// Further arguments of the server program.
    pub args: &'static [&'static str],
    /// Further environment of the server, as name and value.
    pub env: &'static [(&'static str, &'static str)],
}

impl RedisOptions {
    /// What a bare `redis` stands for.
    pub const DEFAULT: Self = Self {
        image: None,
        isolation: Isolation::Shared,
        startup_timeout: None,
        args: &[],
        env: &[],
    };
}

/// What a test has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// `isolation = "database"`: a database or keyspace of its own on a shared server.
    Shared,
    /// `isolation = "server"`: a server of its own.
    Server,
}

/// Where a test's schema comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Migrations {
    /// Nothing said: the directory `migrations` beside `Cargo.toml`, if there is one.
    Default,
    /// `migrations = "dir"`: a directory in sqlx's layout, relative to the crate.
    Directory(&'static str),
    /// `migrations = ["…", …]`: SQL scripts, applied in order.
    Inline(&'static [&'static str]),
    /// `migrations = false`.
    Disabled,
}

/// The tokio runtime that a test's body runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// `flavor = "current_thread"`, the default.
    CurrentThread,
    /// `flavor = "multi_thread"`, with `worker_threads` (default: one per core).
    MultiThread {
        /// Number of worker threads.
        worker_threads: Option<usize>,
    },
}
