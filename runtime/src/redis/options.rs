//! The options of `redis(…)`.

use std::fmt;
use std::time::Duration;

use crate::Error;
use crate::service::{Isolation, NamesOf};

/// Redis, or Valkey: the service `redis` of the attribute, with its options.
///
/// # Examples
///
/// ```
/// use container_test::{Isolation, Redis};
///
/// let mut redis = Redis::default();
/// redis.isolation = Isolation::Server;
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Redis {
    /// Image of the container. Default: `redis:8-alpine`.
    pub image: Option<String>,
    /// What the test has to itself. Default: a logical database on a shared server.
    pub isolation: Isolation,
    /// Longest time that the server may take to answer. Default: 60 s.
    pub startup_timeout: Option<Duration>,
    /// Further arguments of the server program. Default: none.
    pub args: Vec<String>,
    /// Further environment of the server, as name and value. Default: none.
    pub env: Vec<(String, String)>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("image", &self.image)
            .field("isolation", &self.isolation)
            .field("startup_timeout", &self.startup_timeout)
            .field("args", &self.args)
            .field("env", &NamesOf(&self.env))
            .finish()
    }
}

/// Logical databases of a shared server: 16,384 cost 7 MB and 11 ms at its start. The client `fred`
/// has room for numbers up to 255, so a project that has it has a server with no others.
pub(super) const DATABASES: i64 = if cfg!(feature = "fred") { 256 } else { 16_384 };

/// The user that tests connect as.
pub(super) const TEST_USER: &str = "default";
/// The user that this crate connects as.
pub(super) const ADMINISTRATOR: &str = "container-test";

/// Returns an error of the client as one of ours.
pub(super) fn failed(step: impl Into<String>) -> impl FnOnce(redis::RedisError) -> Error {
    let step = step.into();
    move |error| Error::new(step).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_may_be_secret_and_are_not_shown() {
        let redis = Redis {
            image: Some("valkey".to_owned()),
            env: vec![("TOKEN".to_owned(), "hidden".to_owned())],
            ..Redis::default()
        };
        let shown = format!("{redis:?}");
        assert!(
            shown.contains("valkey") && shown.contains("TOKEN"),
            "{shown}"
        );
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
