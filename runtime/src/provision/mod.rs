//! What one test gets on a shared server: a database, a keyspace.

pub(crate) mod keyspace;
pub(crate) mod postgres;
