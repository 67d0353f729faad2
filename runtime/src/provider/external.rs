//! Servers that the environment names by URL: never started, never stopped by us.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Address, BoxError, Endpoint, Source, Wanted};
use crate::{Error, Result, report};

/// How long a server may take: it should run already, but a service container of a CI job may
/// be starting at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server that has no free connection is waited for: other tests give theirs back.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(300);

/// How long it is so in silence.
const SILENCE: Duration = Duration::from_secs(5);

/// Servers that did not answer in time: further tests of this process need not wait again.
static SILENT: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

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
        address: Address::Url(url.clone()),
        place,
        source: Source::External,
    };
    let was_silent = silent(|urls| urls.contains(&url));
    let (begun, mut told) = (Instant::now(), false);
    let mut pause = Duration::from_millis(50);
    loop {
        let error = match connect(endpoint.clone()).await {
            Ok(lease) => {
                silent(|urls| urls.remove(&url));
                return Ok((endpoint, lease));
            }
            Err(error) => error,
        };
        let obstacle = obstacle(error.as_ref());
        let patience = match obstacle {
            Obstacle::Full => PATIENCE_WITH_OTHERS,
            Obstacle::Silent if !was_silent => wanted.startup_timeout.min(PATIENCE),
            Obstacle::Silent | Obstacle::Lasting => Duration::ZERO,
        };
        if begun.elapsed() >= patience {
            if matches!(obstacle, Obstacle::Silent) {
                silent(|urls| urls.insert(url.clone()));
            }
            return Err(Error::new(format!("use the {service} {}", endpoint.place))
                .because(error)
                .with_help("check the URL: scheme, host, port, user, password and database; encrypted connections need the feature `tls`"));
        }
        if matches!(obstacle, Obstacle::Full) && !told && begun.elapsed() > SILENCE {
            told = true;
            report::progress(&format!(
                "waiting for a free connection to the {service} {}",
                endpoint.place
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn silent(look: impl FnOnce(&mut HashSet<String>) -> bool) -> bool {
    look(&mut SILENT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What keeps us from a server.
enum Obstacle {
    /// It has no free connection.
    Full,
    /// It may be starting.
    Silent,
    /// It will not do any other time.
    Lasting,
}

fn obstacle(error: &(dyn std::error::Error + 'static)) -> Obstacle {
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        return match code.as_deref() {
            Some("53300") => Obstacle::Full,
            Some("57P03") => Obstacle::Silent,
            _ if matches!(error, sqlx::Error::Io(_)) => Obstacle::Silent,
            _ => Obstacle::Lasting,
        };
    }
    let may_be_starting = error
        .downcast_ref::<redis::RedisError>()
        .is_some_and(|error| {
            error.is_io_error()
                || error.is_connection_refusal()
                || error.is_timeout()
                || error.code() == Some("LOADING")
        });
    if may_be_starting {
        Obstacle::Silent
    } else {
        Obstacle::Lasting
    }
}

/// The URL as it may be shown. What is not well-formed may have its password anywhere.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "given by an odd URL".to_owned();
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (format!("{}@", until(user, ":/?#")), rest),
        None => (String::new(), rest),
    };
    let shown = until(rest, "?#");
    let after_host = shown.rsplit(']').next().unwrap_or_default();
    let port = after_host.split_once(':').map(|(_, port)| until(port, "/"));
    if port.is_some_and(|port| !port.chars().all(|digit| digit.is_ascii_digit())) {
        return "given by an odd URL".to_owned();
    }
    let mut parameters = url.split(['?', '&']).skip(1);
    let socket = parameters.find_map(|parameter| parameter.strip_prefix("host="));
    let socket = socket.map(|host| format!(" at {host}")).unwrap_or_default();
    format!("{scheme}://{user}{shown}{socket}")
}

/// The text up to any of the characters.
fn until<'a>(text: &'a str, characters: &str) -> &'a str {
    let end = text.find(|character| characters.contains(character));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            (
                "postgres://me:se@cret@db:5432/x?password=p",
                "postgres://me@db:5432/x",
            ),
            ("postgres://me:se/cret@db/x", "postgres://me@db/x"),
            ("postgres://me:se?cret@db/x", "postgres://me@db/x"),
            ("postgres://me:secret", "given by an odd URL"),
            ("me:secret", "given by an odd URL"),
            ("redis://:secret@cache/3", "redis://@cache/3"),
            ("redis://cache:6379", "redis://cache:6379"),
            ("redis://[::1]:6379/2", "redis://[::1]:6379/2"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }

    #[test]
    fn sockets_are_shown() {
        for (url, shown) in [
            (
                "postgres://me:secret@%2Frun%2Fpg/x",
                "postgres://me@%2Frun%2Fpg/x",
            ),
            (
                "postgres://me@localhost/x?host=/run/pg&password=p",
                "postgres://me@localhost/x at /run/pg",
            ),
            (
                "unix:///run/redis.sock?pass=secret",
                "unix:///run/redis.sock",
            ),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
