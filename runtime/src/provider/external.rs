//! Servers that the environment names by URL: never started, never stopped by us.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Address, BoxError, Endpoint, Source, Wanted};
use crate::{Error, Result};

/// How long a server may take: it should run already, but a service container of a CI job may
/// be starting at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the server that the URL names.
pub(super) async fn provide<T, C, F>(
    wanted: &Wanted,
    url: String,
    connect: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let service = wanted.service.name();
    let place = format!("server {}", without_password(&url));
    if wanted.only_for.is_some() {
        return Err(Error::new(format!("give the test a {service} server of its own"))
            .because("servers given by URL are shared")
            .with_help("run this test with Docker or local programs, or use `isolation = \"database\"`"));
    }
    let endpoint = Endpoint {
        address: Address::Url(url),
        place,
        source: Source::External,
    };
    let patience = wanted.startup_timeout.min(PATIENCE);
    let deadline = Instant::now() + patience;
    loop {
        match connect(endpoint.clone()).await {
            Ok(lease) => return Ok((endpoint, lease)),
            Err(error) if Instant::now() > deadline || !may_pass(error.as_ref()) => {
                return Err(Error::new(format!("use the {service} {}", endpoint.place))
                    .because(error)
                    .with_help("check the URL: scheme, host, port, user, password and database; encrypted connections need the feature `tls`"));
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Whether a server that is starting, or full, may answer so.
fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        // Starting up; too many connections.
        return matches!(error, sqlx::Error::Io(_))
            || matches!(code.as_deref(), Some("57P03" | "53300"));
    }
    error
        .downcast_ref::<redis::RedisError>()
        .is_some_and(|error| {
            error.is_io_error()
                || error.is_connection_refusal()
                || error.is_timeout()
                || error.code() == Some("LOADING")
        })
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "given by an odd URL".to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!(
                "{scheme}://{user}@{host}{}",
                path_of(&rest[authority_end..])
            )
        }
        None => format!(
            "{scheme}://{}{}",
            &rest[..authority_end],
            path_of(&rest[authority_end..])
        ),
    }
}

/// The path without its query, which may hold a password as well.
fn path_of(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://me:se@cret@db:5432/x?password=p"),
            "postgres://me@db:5432/x"
        );
        assert_eq!(
            without_password("redis://:secret@cache/3"),
            "redis://@cache/3"
        );
        assert_eq!(without_password("redis://cache:6379"), "redis://cache:6379");
    }
}
