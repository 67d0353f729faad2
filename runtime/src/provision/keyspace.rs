//! Keyspaces on a shared Redis server: logical databases, claimed one per test.
//!
//! The registry is a hash in the database that we connect to: the numbers of claimed databases,
//! and the names of the sessions that hold them. A number whose holder is gone is free again. A
//! database that is not claimed is taken only if it is empty, and only one that is claimed is
//! ever flushed: keys of others are never touched.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use super::Once;
use crate::provider::{self, Address, BoxError, Endpoint, Wanted, random};
use crate::services::redis::connection_settings;
use crate::{Error, Result, background, report};

/// Logical databases of a server of ours: they cost 7 MB and a few milliseconds at the start.
pub(crate) const DATABASES: i64 = 16_384;

/// What a server has that does not say.
const USUAL_DATABASES: i64 = 16;

/// How long tests wait for a keyspace on a server that has few.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long the connections of a test that has ended may take to leave.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(250);

/// The user that tests connect as: it may do everything but what would reach into other tests'
/// keyspaces.
pub(crate) const TEST_USER: &str = "default";
/// The user that this crate connects as.
pub(crate) const ADMINISTRATOR: &str = "container-test";

static SERVERS: LazyLock<Once<Wanted, Arc<Server>>> = LazyLock::new(Once::new);

/// The registry's key.
const CLAIMS: &str = "container-test:claims";

/// Claims the first database that nobody holds and that is empty; tells by -1 that none is and
/// that none is held either.
const CLAIM: &str = "
    local registry, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
    for number = 0, limit - 1 do
        if number ~= registry and redis.call('HEXISTS', KEYS[1], number) == 0 then
            redis.call('SELECT', number)
            local keys = redis.call('DBSIZE')
            redis.call('SELECT', registry)
            if keys == 0 then
                redis.call('HSET', KEYS[1], number, ARGV[3])
                return number
            end
        end
    end
    return redis.call('EXISTS', KEYS[1]) == 0 and -1";

/// Empties a database and gives it back, if its holder is who it says.
const RELEASE: &str = "
    local registry, number = tonumber(ARGV[1]), tonumber(ARGV[2])
    if redis.call('HGET', KEYS[1], number) ~= ARGV[3] then return 0 end
    redis.call('SELECT', number)
    redis.call('FLUSHDB', 'ASYNC')
    redis.call('SELECT', registry)
    redis.call('HDEL', KEYS[1], number)
    return 1";

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
            let _ = self
                .server
                .release(self.number, &self.server.lease_name)
                .await;
        };
        if wait {
            background::wait(work);
        } else {
            background::start_task(work);
        }
    }
}

fn info(endpoint: &Endpoint, user: &str, database: i64) -> Result<ConnectionInfo> {
    let failed = |error: redis::RedisError| {
        Error::new("describe the connection to Redis")
            .because(error)
            .with_help("write CONTAINER_TEST_REDIS_URL as `redis://user:password@host:port`")
    };
    match &endpoint.address {
        Address::Ours {
            host,
            port,
            password,
        } => {
            let settings = RedisConnectionInfo::default()
                .set_username(user)
                .set_password(password)
                .set_db(database);
            let address = ConnectionAddr::Tcp(host.clone(), *port).into_connection_info();
            Ok(address.map_err(failed)?.set_redis_settings(settings))
        }
        Address::Url(url) => {
            let info = url.as_str().into_connection_info().map_err(failed)?;
            let settings = info.redis_settings().clone().set_db(database);
            Ok(info.set_redis_settings(settings))
        }
    }
}

/// The URL with another database: its path, or for a Unix socket its parameter `db`.
fn with_database(url: &str, number: i64) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let unix = base.starts_with("unix:") || base.starts_with("redis+unix:");
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("db="))
        .map(str::to_owned)
        .collect();
    let base = if unix {
        parameters.push(format!("db={number}"));
        base.to_owned()
    } else {
        let authority = base.find("://").map_or(0, |at| at + 3);
        let end = base[authority..]
            .find('/')
            .map_or(base.len(), |at| authority + at);
        format!("{}/{number}", &base[..end])
    };
    if parameters.is_empty() {
        base
    } else {
        format!("{base}?{}", parameters.join("&"))
    }
}

/// The server that is wanted, found or started.
pub(crate) async fn server(wanted: Wanted) -> Result<Arc<Server>> {
    background::run(async move {
        let cell = SERVERS.cell(wanted.clone());
        cell.get_or_try_init(|| open(&wanted)).await.cloned()
    })
    .await
}

/// Gives a test a keyspace of its own on the server that it wants.
pub(crate) async fn claim(wanted: &Wanted, found: Arc<Server>) -> Result<Claim> {
    match Arc::clone(&found).claim().await {
        // The server was stopping just when it was found: the next one will do.
        Err(_) if found.is_gone().await => {
            forget(wanted);
            server(wanted.clone()).await?.claim().await
        }
        claimed => claimed,
    }
}

/// Forgets a server of a test's own: with its lease goes the server.
pub(crate) fn forget(wanted: &Wanted) {
    SERVERS.forget(wanted);
}

async fn open(wanted: &Wanted) -> Result<Arc<Server>> {
    let (endpoint, lease) = provider::provide(wanted, open_lease).await?;
    let server = Arc::new(Server {
        endpoint,
        version: lease.version,
        lease: lease.connection,
        lease_name: lease.name,
        registry: lease.registry,
        databases: lease.databases,
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

    async fn claim(self: Arc<Self>) -> Result<Claim> {
        background::run(async move {
            let failed = |error: redis::RedisError| Error::new("claim a Redis keyspace").because(error);
            let (begun, mut told) = (Instant::now(), false);
            loop {
                let claimed: Option<i64> = self
                    .script(CLAIM, self.databases, &self.lease_name)
                    .query_async(&mut self.lease.clone())
                    .await
                    .map_err(failed)?;
                match claimed {
                    // Nobody will give one back.
                    Some(-1) => return Err(self.all_hold_keys()),
                    Some(number) => return Ok(Claim { server: self, number }),
                    None => {}
                }
                self.free_abandoned().await.map_err(failed)?;
                if !told && begun.elapsed() > Duration::from_secs(5) {
                    told = true;
                    report::progress(&format!("waiting for a free keyspace on the {}", self.endpoint.place));
                }
                if begun.elapsed() > PATIENCE {
                    return Err(Error::new("claim a Redis keyspace")
                        .because(format!("all {} logical databases are claimed or hold keys of others", self.databases))
                        .with_help("run fewer tests at the same time, or give the server more with `databases`"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    fn all_hold_keys(&self) -> Error {
        let Self {
            databases,
            registry,
            endpoint,
            ..
        } = self;
        Error::new("claim a Redis keyspace")
            .because(format!(
                "of its {databases} logical databases, all but number {registry}, which tests do \
                 not get, hold keys of others"
            ))
            .note(format!("on the {}", endpoint.place))
            .with_help(
                "remove the keys of one if nobody needs them, give the server more databases with \
                 `databases`, or name another server in CONTAINER_TEST_REDIS_URL",
            )
    }

    /// The call of a script on the registry.
    fn script(&self, text: &str, number: i64, holder: &str) -> Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(text)
            .arg(1)
            .arg(CLAIMS)
            .arg(self.registry)
            .arg(number)
            .arg(holder);
        call
    }

    async fn release(&self, number: i64, holder: &str) -> redis::RedisResult<()> {
        // What a test has sent without waiting for the answer is still carried out: its
        // connections leave after that. Which database they are in shows once the server has
        // accepted them, and then read from them: it does either between two answers.
        for _ in 0..2 {
            let _: String = redis::cmd("PING")
                .query_async(&mut self.lease.clone())
                .await?;
        }
        let within = format!("db={number}");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE_WITH_TEST {
            let clients: String = redis::cmd("CLIENT")
                .arg("LIST")
                .query_async(&mut self.lease.clone())
                .await?;
            if !clients.split([' ', '\n']).any(|field| field == within) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let call = self.script(RELEASE, number, holder);
        call.query_async::<i64>(&mut self.lease.clone())
            .await
            .map(|_| ())
    }

    /// Gives back what processes that are gone had claimed.
    async fn free_abandoned(&self) -> redis::RedisResult<()> {
        let (claims, clients): (Vec<(i64, String)>, String) = redis::pipe()
            .hgetall(CLAIMS)
            .cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut self.lease.clone())
            .await?;
        let alive: HashSet<&str> = clients
            .lines()
            .filter_map(|line| {
                line.split(' ')
                    .find_map(|field| field.strip_prefix("name="))
            })
            .collect();
        for (number, holder) in claims
            .iter()
            .filter(|(_, holder)| !alive.contains(holder.as_str()))
        {
            self.release(*number, holder).await?;
        }
        Ok(())
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

    #[test]
    fn the_number_takes_the_place_of_the_urls_database() {
        assert_eq!(
            with_database("redis://:p@cache:6379", 3),
            "redis://:p@cache:6379/3"
        );
        assert_eq!(
            with_database("rediss://cache/7?protocol=resp3", 3),
            "rediss://cache/3?protocol=resp3"
        );
        assert_eq!(
            with_database("unix:///run/redis.sock?db=1&pass=p", 3),
            "unix:///run/redis.sock?pass=p&db=3"
        );
    }
}
