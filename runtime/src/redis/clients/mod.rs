//! The clients that a test's keyspace can be injected as.

mod redis;
