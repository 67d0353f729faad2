//! Where a keyspace is: how a client connects to it.

use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::service::{Address, Endpoint, without_password};
use crate::{Error, Result};

/// After how long without a word a connection to a server given by URL is looked at.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Returns how a user connects to a logical database.
pub(super) fn info(endpoint: &Endpoint, user: &str, database: i64) -> Result<ConnectionInfo> {
    let failed = |error: redis::RedisError| {
        Error::new("describe the connection to Redis")
            .because(error)
            .with_help("write CONTAINER_TEST_REDIS_URL as `redis://user:password@host:port`")
    };
    match endpoint.address() {
        Address::Started {
            host,
            port,
            password,
            ..
        } => {
            let settings = RedisConnectionInfo::default()
                .set_username(user)
                .set_password(password)
                .set_db(database);
            let address = ConnectionAddr::Tcp(host.clone(), *port).into_connection_info();
            Ok(address.map_err(failed)?.set_redis_settings(settings))
        }
        Address::Given(url) => {
            let info = url.as_str().into_connection_info().map_err(failed)?;
            let settings = info.redis_settings().clone().set_db(database);
            // What is between may forget a connection that seems idle.
            let keep = TcpKeepalive::new().with_time(KEEP_ALIVE);
            let tcp = info.tcp_settings().clone().set_keepalive(keep);
            Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
        }
    }
}

/// Returns the URL of a logical database, with its password.
pub(super) fn url(endpoint: &Endpoint, user: &str, database: i64) -> String {
    match endpoint.address() {
        address @ Address::Started { .. } => format!("{}/{database}", address.url("redis", user)),
        Address::Given(url) => with_database(url, database),
    }
}

/// Returns the command that looks into a logical database. It asks for a password that people have
/// given to us.
pub(super) fn redis_cli(endpoint: &Endpoint, url: &str) -> String {
    let (url, ask) = match endpoint.address() {
        Address::Started { .. } => (url.to_owned(), ""),
        Address::Given(_) => {
            let public = without_password(url).unwrap_or_default();
            let ask = if public == url { "" } else { " --askpass" };
            (public, ask)
        }
    };
    let url = url.replace('\'', "%27");
    let socket = url.strip_prefix("unix://").and_then(|socket| {
        let (path, query) = socket.split_once('?')?;
        let number = query.split('&').find_map(|pair| pair.strip_prefix("db="))?;
        Some(format!("redis-cli -s '{path}' -n {number}{ask}"))
    });
    if let Some(socket) = socket {
        return socket;
    }
    // redis-cli takes a user without a password for a password.
    let user = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, rest) = rest.split_once('@')?;
        let alone = !user.contains(':');
        alone.then(|| format!("redis-cli -u '{scheme}://{rest}' --user '{user}'{ask}"))
    });
    user.unwrap_or_else(|| format!("redis-cli -u '{url}'{ask}"))
}

/// Returns the URL with another database: its path, or for a Unix socket its parameter `db`.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::service::NoLog;

    #[test]
    fn commands_have_no_password_that_people_have_given_to_us() {
        for (given, command) in [
            (
                "redis://:secret@cache:6379/1",
                "redis-cli -u 'redis://cache:6379/3' --askpass",
            ),
            (
                "redis://me:secret@cache",
                "redis-cli -u 'redis://cache/3' --user 'me' --askpass",
            ),
            ("redis://cache:6379", "redis-cli -u 'redis://cache:6379/3'"),
            (
                "unix:///run/r.sock?pass=secret",
                "redis-cli -s '/run/r.sock' -n 3 --askpass",
            ),
        ] {
            let endpoint = Endpoint {
                address: Address::Given(given.to_owned()),
                description: String::new(),
                outlives_tests: true,
                log: Arc::new(NoLog),
            };
            let url = url(&endpoint, "me", 3);
            assert_eq!(redis_cli(&endpoint, &url), command);
        }
    }

    #[test]
    fn a_server_may_have_an_ipv6_address() {
        let endpoint = Endpoint {
            address: Address::Started {
                host: "fd00::2".to_owned(),
                port: 6379,
                password: "secret".to_owned(),
                remote: true,
            },
            description: String::new(),
            outlives_tests: false,
            log: Arc::new(NoLog),
        };
        assert_eq!(
            url(&endpoint, "me", 3),
            "redis://me:secret@[fd00::2]:6379/3"
        );
        let info = info(&endpoint, "me", 3).ok();
        let address = info.map(|info| info.addr().clone());
        assert_eq!(
            address,
            Some(ConnectionAddr::Tcp("fd00::2".to_owned(), 6379))
        );
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
