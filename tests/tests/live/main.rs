//! The same tests on every provider: `CONTAINER_TEST_PROVIDER` says which.

mod arguments;
mod cases;
mod handles;
mod isolation;
mod plain;
mod schema;
mod seeds;
mod shape;
