//! Price alerts and log-in on Postgres and Redis: a small application whose integration
//! tests run against the real servers, by `#[container_test]`.

pub mod alerts;
pub mod auth;

#[cfg(test)]
mod test_support;
