//! The database of a PostgreSQL server that holds what processes know of each other: servers of ours
//! are prepared with it.

/// Its name. The number is that of its layout, so that several versions of this crate can use one
/// server.
pub(crate) const NAME: &str = "container_test_1";

/// What makes its contents; may be repeated.
pub(crate) const SCRIPT: &str = include_str!("registry.sql");
