//! Keyspaces on a shared Redis server: logical databases, claimed one per test.
//!
//! The registry is a hash in the database that we connect to: the numbers of claimed databases,
//! and the names of the sessions that hold them. A number whose holder is gone is free again. A
//! database that is not claimed is taken only if it is empty, and only one that is claimed is
//! ever flushed: keys of others are never touched.

mod address;
mod registry;

use std::sync::{Arc, LazyLock, Mutex};

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionInfo, IntoConnectionInfo};

use self::address::{info, with_database};
use crate::once::Once;
use crate::provider::{self, Address, BoxError, Endpoint, Wanted, random};
use crate::services::redis::connection_settings;
use crate::{Error, Result, background};

/// Logical databases of a server of ours: they cost 7 MB and a few milliseconds at the start.
pub(crate) const DATABASES: i64 = 16_384;

/// What a server has that does not say.
const USUAL_DATABASES: i64 = 16;

/// The user that tests connect as: it may do everything but what would reach into other tests'
/// keyspaces.
pub(crate) const TEST_USER: &str = "default";
/// The user that this crate connects as.
pub(crate) const ADMINISTRATOR: &str = "container-test";

static SERVERS: LazyLock<Once<Wanted, Arc<Server>>> = LazyLock::new(Once::new);

/// A server that this process uses. Its connection lives on the background thread.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    /// `redis_version` as the server says it.
    pub(crate) version: String,
    /// The session that stands for this process, and the name that it goes by.
    lease: MultiplexedConnection,
    lease_name: String,
    /// The database that holds the registry.
    registry: i64,
    databases: i64,
    /// Databases that are claimed and empty, for the process's next tests.
    spare: Mutex<Vec<i64>>,
}

/// A test's keyspace, from claim to release.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) server: Arc<Server>,
    pub(crate) number: i64,
}

impl Claim {
    /// How the test connects.
    pub(crate) fn info(&self) -> Result<ConnectionInfo> {
        info(&self.server.endpoint, TEST_USER, self.number)
    }

    /// Where the keyspace is, as a URL with its password.
    pub(crate) fn url(&self) -> String {
        match &self.server.endpoint.address {
            Address::Ours {
                host,
                port,
                password,
            } => {
                format!(
                    "redis://{TEST_USER}:{password}@{host}:{port}/{}",
                    self.number
                )
            }
            Address::Url(url) => with_database(url, self.number),
        }
    }

    /// Where the keyspace is, for people.
    pub(crate) fn place(&self) -> String {
        let Server {
            version, endpoint, ..
        } = &*self.server;
        format!(
            "redis {version}, {}, logical database {}",
            endpoint.place, self.number
        )
    }

    /// Gives the keyspace back, emptied, in the background.
    pub(crate) fn release(self) {
        let wait = self.server.endpoint.outlives_us();
        let work = async move {
            // What is not given back is taken back when this process has ended.
            let _ = self.server.recycle(self.number).await;
        };
        if wait {
            background::wait(work);
        } else {
            background::start_task(work);
        }
    }
}

/// The server that is wanted, found or started.
pub(crate) async fn server(wanted: &Wanted) -> Result<Arc<Server>> {
    background::once(&SERVERS, wanted, open).await
}

/// Gives a test a keyspace of its own on the server that it wants.
pub(crate) async fn claim(wanted: &Wanted, found: Arc<Server>) -> Result<Claim> {
    match Arc::clone(&found).claim().await {
        // The server was stopping just when it was found: the next one will do.
        Err(_) if found.is_gone().await => {
            forget(wanted);
            server(wanted).await?.claim().await
        }
        claimed => claimed,
    }
}

/// Forgets a server of a test's own: with its lease goes the server.
pub(crate) fn forget(wanted: &Wanted) {
    SERVERS.forget(wanted);
}

async fn open(wanted: Wanted) -> Result<Arc<Server>> {
    let (endpoint, lease) = provider::provide(&wanted, open_lease).await?;
    let server = Arc::new(Server {
        endpoint,
        version: lease.version,
        lease: lease.connection,
        lease_name: lease.name,
        registry: lease.registry,
        databases: lease.databases,
        spare: Mutex::default(),
    });
    if server.endpoint.outlives_us() {
        let failed = |error: redis::RedisError| {
            Error::new("clean up after processes that are gone").because(error)
        };
        server.free_abandoned().await.map_err(failed)?;
    }
    Ok(server)
}

struct Lease {
    connection: MultiplexedConnection,
    name: String,
    version: String,
    registry: i64,
    databases: i64,
}

async fn open_lease(endpoint: Endpoint) -> Result<Lease, BoxError> {
    let mut info = info(&endpoint, ADMINISTRATOR, 0)?;
    let registry = match &endpoint.address {
        Address::Ours { .. } => 0,
        Address::Url(url) => url.as_str().into_connection_info()?.redis_settings().db(),
    };
    if registry != 0 {
        let settings = info.redis_settings().clone().set_db(registry);
        info = info.set_redis_settings(settings);
    }
    let mut connection = Client::open(info)?
        .get_multiplexed_async_connection_with_config(&connection_settings())
        .await?;
    let name = format!("container-test-{}", random()?);
    let ((), server): ((), String) = redis::pipe()
        .cmd("CLIENT")
        .arg("SETNAME")
        .arg(&name)
        .cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await?;
    let version = server
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("of unknown version")
        .to_owned();
    if is_too_old(&version) {
        return Err(Error::new("use the server")
            .because(format!(
                "it is version {version}; {OLDEST} and newer are supported"
            ))
            .into());
    }
    let databases = match endpoint.address {
        Address::Ours { .. } => DATABASES,
        Address::Url(_) => {
            // Managed servers do not tell.
            let answer: redis::RedisResult<(String, i64)> = redis::cmd("CONFIG")
                .arg("GET")
                .arg("databases")
                .query_async(&mut connection)
                .await;
            answer.map_or(USUAL_DATABASES, |(_, number)| number)
        }
    };
    Ok(Lease {
        connection,
        name,
        version,
        registry,
        databases,
    })
}

/// The oldest version that is supported; Valkey says which Redis it equals.
const OLDEST: &str = "6.2";

fn is_too_old(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < (6, 2),
        _ => false,
    }
}

impl Server {
    /// Whether the server has ended: then so has the session of the lease.
    async fn is_gone(&self) -> bool {
        let mut lease = self.lease.clone();
        let asked = background::run(async move {
            let ping = redis::cmd("PING").query_async::<String>(&mut lease).await;
            ping.map_err(|error| Error::new("ask the server").because(error))
        });
        asked.await.is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_told_from_supported_ones() {
        assert!(is_too_old("6.0.16"));
        assert!(!is_too_old("6.2.0"));
        assert!(!is_too_old("8.0.2"));
        assert!(!is_too_old("of unknown version"));
    }
}
