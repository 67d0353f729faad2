//! Keyspaces on a shared Redis server: logical databases, claimed one per test.
//!
//! Logical database 0 is the registry: a hash `container-test:claims` of database numbers and the
//! client ids of the sessions that hold them. A number whose holder is gone is free again.

use std::sync::{Arc, LazyLock};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use super::Once;
use crate::provider::{self, Address, BoxError, Endpoint, Wanted};
use crate::{Error, Result, background};

/// Logical databases of a server of ours: they cost 7 MB and a few milliseconds at the start.
pub(crate) const DATABASES: i64 = 16_384;

/// The name of the user that tests connect as: it may do everything but what would reach into
/// other tests' keyspaces.
pub(crate) const TEST_USER: &str = "default";
/// The name of the user that this crate connects as.
pub(crate) const ADMINISTRATOR: &str = "container-test";

static SERVERS: LazyLock<Once<Wanted, Arc<Server>>> = LazyLock::new(Once::new);

/// Claims the first database that nobody holds, and empties it.
const CLAIM: &str = "
    local free = redis.call('SPOP', KEYS[2])
    if not free then
        free = redis.call('INCR', KEYS[3])
        if free >= tonumber(ARGV[2]) then
            redis.call('DECR', KEYS[3])
            return false
        end
    end
    redis.call('HSET', KEYS[1], free, ARGV[1])
    redis.call('SELECT', free)
    redis.call('FLUSHDB', 'ASYNC')
    return tonumber(free)";

/// Empties a database and gives it back, if the holder is who it says.
const RELEASE: &str = "
    if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[1] then return 0 end
    redis.call('HDEL', KEYS[1], ARGV[2])
    redis.call('SADD', KEYS[2], ARGV[2])
    redis.call('SELECT', ARGV[2])
    redis.call('FLUSHDB', 'ASYNC')
    return 1";

const CLAIMS: &str = "container-test:claims";
const FREE: &str = "container-test:free";
const HIGHEST: &str = "container-test:highest";

/// The call of a script on the registry.
fn script(text: &str, first: i64, second: i64) -> Cmd {
    let mut call = redis::cmd("EVAL");
    call.arg(text)
        .arg(3)
        .arg(CLAIMS)
        .arg(FREE)
        .arg(HIGHEST)
        .arg(first)
        .arg(second);
    call
}

/// A server that this process uses. Its connection lives on the background thread.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    /// `redis_version` as the server says it.
    pub(crate) version: String,
    /// The session that stands for this process.
    lease: MultiplexedConnection,
    lease_id: i64,
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
        background::start_task(async move {
            let mut lease = self.server.lease.clone();
            // What is not given back is taken back when this process has ended.
            let _: Result<i64, _> = script(RELEASE, self.server.lease_id, self.number)
                .query_async(&mut lease)
                .await;
        });
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

/// Forgets a server of a test's own: with its lease goes the server.
pub(crate) fn forget(wanted: &Wanted) {
    SERVERS.forget(wanted);
}

async fn open(wanted: &Wanted) -> Result<Arc<Server>> {
    let (endpoint, (lease, lease_id, version)) = provider::provide(wanted, open_lease).await?;
    Ok(Arc::new(Server {
        endpoint,
        version,
        lease,
        lease_id,
    }))
}

async fn open_lease(endpoint: Endpoint) -> Result<(MultiplexedConnection, i64, String), BoxError> {
    let client = Client::open(info(&endpoint, ADMINISTRATOR, 0)?)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let (id, server): (i64, String) = redis::pipe()
        .cmd("CLIENT")
        .arg("ID")
        .cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await?;
    let version = server
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("of unknown version")
        .to_owned();
    Ok((connection, id, version))
}

impl Server {
    /// Gives a test a keyspace of its own.
    pub(crate) async fn claim(self: Arc<Self>) -> Result<Claim> {
        background::run(async move {
            let failed =
                |error: redis::RedisError| Error::new("claim a Redis keyspace").because(error);
            for last in [false, true] {
                if let Some(number) = self.try_claim().await.map_err(failed)? {
                    return Ok(Claim {
                        server: self,
                        number,
                    });
                }
                if !last {
                    self.free_abandoned().await.map_err(failed)?;
                }
            }
            Err(Error::new("claim a Redis keyspace")
                .because(format!("all {DATABASES} logical databases are taken"))
                .with_help("run fewer tests at the same time"))
        })
        .await
    }

    async fn try_claim(&self) -> redis::RedisResult<Option<i64>> {
        script(CLAIM, self.lease_id, DATABASES)
            .query_async(&mut self.lease.clone())
            .await
    }

    /// Gives back what processes that are gone had claimed.
    async fn free_abandoned(&self) -> redis::RedisResult<()> {
        let mut lease = self.lease.clone();
        let (claims, clients): (Vec<(i64, i64)>, String) = redis::pipe()
            .hgetall(CLAIMS)
            .cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut lease)
            .await?;
        let alive: std::collections::HashSet<i64> = clients
            .lines()
            .filter_map(|line| {
                line.split(' ')
                    .find_map(|field| field.strip_prefix("id="))?
                    .parse()
                    .ok()
            })
            .collect();
        for (number, holder) in claims
            .into_iter()
            .filter(|(_, holder)| !alive.contains(holder))
        {
            let _: i64 = script(RELEASE, holder, number)
                .query_async(&mut lease)
                .await?;
        }
        Ok(())
    }
}
