//! PostgreSQL: everything that knows it.
//!
//! A test gets a database of its own on a shared server: a clone of a template that its migrations
//! and seeds were applied to once. See ARCHITECTURE.md for how a database is claimed, cloned,
//! proven to equal its template, and used again.

mod address;
mod broken;
mod claims;
pub(crate) mod clients;
mod clones;
mod code;
mod data_directory;
mod database;
mod drop_blockers;
mod drops;
mod failure;
mod files;
mod fill;
mod inject;
mod lease;
mod log;
mod migrations;
mod migrator;
mod of_server;
mod options;
mod own_thread;
mod pools;
mod program;
mod properties;
mod psql;
mod registry;
mod release;
mod reset;
mod reuse;
mod role_settings;
mod role_state;
mod roles;
mod running;
mod scan;
mod schema;
mod schemas;
mod script;
mod server;
mod service;
mod slot;
mod sql;
mod sqlx_config;
mod sweep;
mod template;
mod tool;

pub use self::database::Database;
pub use self::migrations::{IntoMigrations, Migrations, code, inline};
pub use self::options::Postgres;
pub(crate) use self::running::running_tests;
