//! Redis: everything that knows it.

mod abandoned;
mod address;
mod claims;
pub(crate) mod clients;
mod command_file;
mod keyspace;
mod lease;
mod notes;
mod numbers;
mod options;
mod running;
mod scripts;
mod server;
mod service;
mod share;
mod slot;

pub use self::keyspace::Keyspace;
pub use self::options::Redis;
pub(crate) use self::running::running_tests;
