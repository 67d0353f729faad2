//! Integration tests against real PostgreSQL and Redis, declared in one attribute.

mod background;
mod command_file;
mod config;
mod context;
mod declaration;
mod error;
mod inject;
mod migrations;
mod once;
mod provider;
mod provision;
mod registry;
mod report;
mod run;
mod seeds;
mod services;
mod sql;

#[doc(hidden)]
pub mod __private;

pub use container_test_macros::container_test;
pub use context::TestContext;
pub use error::{Error, Result};
pub use inject::{Declares, FromContext};
pub use services::postgres::{Database, Postgres};
pub use services::redis::{Keyspace, Redis};
pub use {redis, sqlx};
