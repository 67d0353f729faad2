//! Where a keyspace is: how a client connects to it.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::service::{Address, Endpoint};
use crate::{Error, Result};

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
            Ok(info.set_redis_settings(settings))
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
    use super::*;

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
