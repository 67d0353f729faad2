//! The clients that a test's keyspace can be injected as: a file each, behind its feature.

#[cfg(feature = "bb8-redis")]
mod bb8_redis;
#[cfg(feature = "deadpool-redis")]
mod deadpool_redis;
#[cfg(feature = "fred")]
mod fred;
mod redis;
#[cfg(feature = "redis-0_32")]
mod redis_0_32;

use crate::Error;
use crate::service::BoxError;

/// Most connections of a pool: as many as a pool of PostgreSQL opens by default.
#[allow(dead_code, reason = "some clients have no pool")]
const POOL_SIZE: u8 = 5;

/// Returns what makes an error of a client one of ours.
#[allow(dead_code, reason = "redis has a conversion of its own")]
fn failed<E: Into<BoxError>>(step: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::new(step).because(error)
}
