//! A Redis server that this process uses.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join5;
use redis::{Cmd, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisError, RedisResult};
use tokio::sync::{Notify, OnceCell};
use tokio::time::timeout;

use super::address::info;
use super::lease::Lease;
use super::numbers::Numbers;
use super::options::ADMINISTRATOR;
use super::scripts::DENIED;
use crate::Error;
use crate::service::{ANSWER_TIMEOUT, Address, Endpoint, OpenError};

/// Logical databases of a server that does not say how many it has.
const USUAL_DATABASES: i64 = 16;

/// The oldest version that is supported; Valkey says which Redis it equals.
const OLDEST: (u32, u32) = (6, 2);

/// A Redis server that this process uses. Its connections live on the background thread.
pub struct Server {
    pub(super) endpoint: Endpoint,
    /// `redis_version` as the server says it.
    pub(super) version: String,
    /// `maxmemory_policy` as the server says it.
    pub(super) eviction: Option<String>,
    pub(super) lease: Lease,
    /// The logical database that holds the registry.
    pub(super) registry: i64,
    pub(super) databases: i64,
    /// Numbers of logical databases that this process has claimed.
    pub(super) numbers: Mutex<Numbers>,
    /// Told when a test's name is to be noted.
    pub(super) noting: Arc<Notify>,
    /// Holders that have no connection, and since when.
    pub(super) missing: Mutex<HashMap<String, Instant>>,
    /// `run_id` as the server says it: another one each time it is started.
    pub(super) run: String,
    /// What tests were denied already, as far as the server knows.
    pub(super) denied: Option<String>,
    pub(super) shared: OnceCell<()>,
}

impl Server {
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, OpenError> {
        let mut info = info(&endpoint, ADMINISTRATOR, 0).map_err(OpenError::fatal)?;
        let registry = match endpoint.address() {
            Address::Started { .. } => {
                let settings = info.redis_settings().clone();
                info = info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
                0
            }
            Address::Given(url) => {
                let given = url.as_str().into_connection_info();
                given.map_err(OpenError::fatal)?.redis_settings().db()
            }
        };
        if registry != 0 {
            let settings = info.redis_settings().clone().set_db(registry);
            info = info.set_redis_settings(settings);
        }
        let lease = Lease::take(info).await.map_err(open_error)?;
        let (named, server, databases, mut eviction, denied) = join5(
            lease.tell_name(),
            about(&lease, "server"),
            setting(&lease, "databases"),
            setting(&lease, "maxmemory-policy"),
            async {
                let get = redis::cmd("GET").arg(DENIED).clone();
                match endpoint.address() {
                    Address::Started { .. } => get.query_async(&mut lease.connection()).await,
                    Address::Given(_) => Ok(None),
                }
            },
        )
        .await;
        named.map_err(open_error)?;
        let denied = denied.map_err(open_error)?;
        let server = server.map_err(open_error)?;
        let version = field(&server, "redis_version").unwrap_or("of unknown version");
        if is_before(version, OLDEST) {
            let (major, minor) = OLDEST;
            let cause = format!("it is version {version}; {major}.{minor} and newer are supported");
            return Err(OpenError::fatal(
                Error::new("use the server").because(cause),
            ));
        }
        if eviction.is_none() {
            // A server with many logical databases takes milliseconds for this.
            let memory = about(&lease, "memory").await.map_err(open_error)?;
            eviction = field(&memory, "maxmemory_policy").map(str::to_owned);
        }
        let databases = databases.and_then(|number| number.parse().ok());
        Ok(Self {
            run: field(&server, "run_id").unwrap_or_default().to_owned(),
            denied,
            version: version.to_owned(),
            eviction,
            endpoint,
            lease,
            registry,
            databases: databases.unwrap_or(USUAL_DATABASES),
            numbers: Mutex::default(),
            noting: Arc::default(),
            missing: Mutex::default(),
            shared: OnceCell::new(),
        })
    }

    /// Returns whether the server has ended: then so has the session of the lease.
    pub(super) async fn is_gone(&self) -> bool {
        self.renew().await.is_err()
    }

    /// Returns the answer to a command; a lease that was lost is taken again. So is one whose
    /// connection does not answer.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let ask = async || {
            let mut connection = self.lease.connection();
            let answer = timeout(ANSWER_TIMEOUT, command.query_async(&mut connection)).await;
            answer.unwrap_or_else(|_| {
                let silence = format!("no answer of the server within {ANSWER_TIMEOUT:?}");
                Err(std::io::Error::new(ErrorKind::TimedOut, silence).into())
            })
        };
        match ask().await {
            Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                self.renew().await?;
                ask().await
            }
            answer => answer,
        }
    }

    /// Looks whether the lease stands, and takes it again if not, with all claims.
    pub(super) async fn renew(&self) -> RedisResult<()> {
        if self.lease.renew().await? {
            self.claim_again().await?;
        }
        Ok(())
    }

    /// Returns for how many seconds the server runs; very many if it does not say.
    pub(super) async fn uptime(&self) -> RedisResult<u64> {
        let about: String = self.ask(redis::cmd("INFO").arg("server")).await?;
        let uptime = field(&about, "uptime_in_seconds").and_then(|seconds| seconds.parse().ok());
        Ok(uptime.unwrap_or(u64::MAX))
    }

    pub(super) fn numbers(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a section of what the server says about itself.
async fn about(lease: &Lease, section: &str) -> RedisResult<String> {
    let mut info = redis::cmd("INFO");
    info.arg(section).query_async(&mut lease.connection()).await
}

/// Returns a setting of the server; managed servers do not tell.
async fn setting(lease: &Lease, name: &str) -> Option<String> {
    let mut get = redis::cmd("CONFIG");
    let get = get.arg("GET").arg(name);
    let found = get.query_async(&mut lease.connection()).await;
    let found: HashMap<String, String> = found.ok()?;
    found.into_values().next()
}

/// Returns a line of the answer to `INFO`.
fn field<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    about
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// Sorts the client's errors into those that pass and those that stay.
fn open_error(error: RedisError) -> OpenError {
    if error.code() == Some("LOADING") || error.code() == Some("BUSY") {
        OpenError::starting(error)
    } else if error.to_string().contains("max number of clients") {
        OpenError::full(error)
    } else if error.is_io_error() || error.is_connection_refusal() || error.is_timeout() {
        OpenError::starting(error)
    } else {
        OpenError::fatal(error)
    }
}

/// Whether a version that a server has said is older than another; not if it says none.
pub(super) fn is_before(version: &str, other: (u32, u32)) -> bool {
    let mut numbers = version
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused() {
        assert!(is_before("6.0.16", OLDEST));
        assert!(!is_before("6.2.0", OLDEST));
        assert!(!is_before("8.0.2", OLDEST));
        assert!(!is_before("of unknown version", OLDEST));
    }
}
