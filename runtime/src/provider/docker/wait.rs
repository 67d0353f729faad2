//! Waits until the server in a container answers.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::engine::{Engine, State};
use super::found::Found;
use crate::lifecycle::{NO_ROOM, watchdog};
use crate::provider::request::Request;
use crate::service::{BoxError, Endpoint, OpenError};
use crate::{Error, Result};

/// How often a server that does not answer yet is tried again.
const POLL: Duration = Duration::from_millis(5);
/// How long a container is tried at its own address alone, before its published port is tried as
/// well: two engines on one machine may give out the same addresses.
const OWN_ADDRESS: Duration = Duration::from_secs(3);
/// Lines of the log in errors.
pub(super) const LOG_LINES: usize = 50;

/// What to do about a server that ends or refuses.
const CHECK_OPTIONS: &str =
    "the server's own words above say why; check the options `args`, `env` and `image`";

/// Waits until `open` succeeds; returns where it did. `None` if the container was about to end when
/// it was found. One that is `new` was not: it was created since a process wants it.
pub(super) async fn wait<T, C, F>(
    engine: &Engine,
    request: &Request,
    found: &Found,
    new: bool,
    open: &C,
) -> Result<Option<(Endpoint, T)>>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let since = Instant::now();
    let deadline = since + request.spec.startup_timeout;
    let mut look_at = since + engine.look();
    let mut log = String::new();
    loop {
        let failure = match connect(found, since, open).await {
            Ok((endpoint, opened)) => return Ok(Some((endpoint.clone(), opened))),
            Err(OpenError::Fatal(cause)) => {
                let log = engine.log_tail(&found.id, LOG_LINES).await;
                let step = format!("use the {}", found.endpoint.description);
                let error = Error::new(step).because(cause).note(log_note(&log));
                return Err(error.with_help(CHECK_OPTIONS).lasting());
            }
            Err(failure) => failure.into_cause(),
        };
        if Instant::now() > look_at {
            look_at = Instant::now() + engine.look();
            let tail = engine.log_tail(&found.id, LOG_LINES).await;
            log = if tail.is_empty() { log } else { tail };
            if let Some(end) = log.lines().find(|line| line.contains(watchdog::ENDED)) {
                return Err(ended(end, &log));
            }
            let inspected = engine.inspect(&request.name).await?;
            let gone = !inspected
                .is_some_and(|inspected| inspected.state == State::Running && found.is(&inspected));
            if gone && new && since.elapsed() >= request.idle {
                return Err(unanswered(found, failure, &log)
                    .note("it has ended, since no process could connect to it"));
            } else if gone {
                return Ok(None);
            }
        }
        if Instant::now() > deadline {
            let limit = request.spec.startup_timeout;
            let waited = format!("it did not answer within {limit:?}");
            return Err(unanswered(found, failure, &log).note(waited).lasting());
        }
        sleep(POLL).await;
    }
}

/// Connects to the server at the container's own address. Where that may lead elsewhere, because
/// nothing answers there for a while or what answers is not the server, its published port is tried
/// as well, and decides.
async fn connect<'a, T, C, F>(
    found: &'a Found,
    since: Instant,
    open: &C,
) -> Result<(&'a Endpoint, T), OpenError>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let own = &found.endpoint;
    let Some(published) = &found.published else {
        return open(own.clone()).await.map(|opened| (own, opened));
    };
    // Where the address leads elsewhere, nothing may refuse the connection.
    let answer = timeout(OWN_ADDRESS, open(own.clone())).await;
    let silent = |_| Err(OpenError::starting("it does not answer at its own address"));
    match answer.unwrap_or_else(silent) {
        Ok(opened) => Ok((own, opened)),
        Err(failure @ (OpenError::Starting(_) | OpenError::Full(_)))
            if since.elapsed() < OWN_ADDRESS =>
        {
            Err(failure)
        }
        Err(_) => open(published.clone())
            .await
            .map(|opened| (published, opened)),
    }
}

/// Returns the error of a server that has ended, from the watchdog's line in its log.
fn ended(line: &str, log: &str) -> Error {
    let end = line.rsplit(watchdog::LOG_PREFIX).next().unwrap_or(line);
    let error = Error::new("start the server")
        .because(end.to_owned())
        .note(log_note(log))
        .with_help(CHECK_OPTIONS);
    if log.contains(NO_ROOM) {
        error
    } else {
        error.lasting()
    }
}

fn unanswered(found: &Found, failure: BoxError, log: &str) -> Error {
    Error::new(format!("connect to the {}", found.endpoint.description))
        .because(failure)
        .note(log_note(log))
        .with_help(
            "see in its log what it waits for and where it listens; `startup_timeout = \"…\"` \
             gives it more time",
        )
}

/// Returns the end of a container's log, for errors.
pub(super) fn log_note(log: &str) -> String {
    if log.trim().is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its last log lines:\n{log}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::service::{Address, NoLog, ServerSpec};

    const OWN: &str = "172.17.0.2";

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint {
            address: Address::Started {
                host: host.to_owned(),
                port,
                password: String::new(),
                remote: false,
            },
            description: "docker container".to_owned(),
            outlives_tests: false,
            log: Arc::new(NoLog),
        }
    }

    fn found() -> Found {
        Found {
            id: "id".to_owned(),
            endpoint: endpoint(OWN, 4222),
            published: Some(endpoint("127.0.0.1", 40_000)),
        }
    }

    fn request() -> Request {
        let spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        Request::new(&spec, &Arc::new(Config::with(&[]))).unwrap()
    }

    fn is_own(endpoint: &Endpoint) -> bool {
        matches!(&endpoint.address, Address::Started { host, .. } if host == OWN)
    }

    /// Two engines on one machine may give out the same addresses.
    #[tokio::test]
    async fn a_container_that_is_not_at_its_own_address_is_reached_at_its_published_port() {
        let open = async |endpoint: Endpoint| {
            if is_own(&endpoint) {
                std::future::pending().await
            } else {
                Ok(7)
            }
        };
        let (engine, request, found) = (Engine::unreachable(), request(), found());
        let waited = timeout(
            OWN_ADDRESS * 10,
            wait(&engine, &request, &found, true, &open),
        );
        let (endpoint, opened) = waited.await.expect("an answer").unwrap().unwrap();
        assert_eq!(opened, 7);
        assert!(!is_own(&endpoint));
    }

    #[tokio::test]
    async fn another_server_at_the_containers_own_address_does_not_end_the_wait() {
        let tries = Cell::new(0);
        let open = async |endpoint: Endpoint| {
            tries.set(tries.get() + 1);
            match tries.get() {
                _ if is_own(&endpoint) => Err(OpenError::fatal("the password is wrong")),
                2 => Err(OpenError::starting("nothing answers")),
                _ => Ok(7),
            }
        };
        let (engine, request, found) = (Engine::unreachable(), request(), found());
        let waited = wait(&engine, &request, &found, true, &open).await;
        let (endpoint, opened) = waited.unwrap().unwrap();
        assert_eq!((opened, tries.get()), (7, 4));
        assert!(!is_own(&endpoint));
    }

    #[tokio::test]
    async fn a_fatal_error_ends_the_wait() {
        let open = async |_| Err::<(), _>(OpenError::fatal("its version is too old"));
        let (engine, request, found) = (Engine::unreachable(), request(), found());
        let waited = wait(&engine, &request, &found, true, &open).await;
        let error = waited.unwrap_err();
        let report = error.report();
        assert!(
            report.contains("because: its version is too old"),
            "{report}"
        );
        assert!(error.is_lasting());
    }

    /// The engine may take long to remove it: longer than a server is idle before it ends.
    #[tokio::test]
    async fn a_container_that_is_gone_was_about_to_end_unless_it_is_new() {
        let (_programs, engine) = Engine::without_containers().await;
        let (mut request, found) = (request(), found());
        request.idle = Duration::ZERO;
        let open = async |_| Err::<(), _>(OpenError::starting("connection refused"));
        let old = wait(&engine, &request, &found, false, &open).await;
        assert!(old.unwrap().is_none());
        let new = wait(&engine, &request, &found, true, &open).await;
        let report = new.unwrap_err().report();
        assert!(report.contains("no process could connect"), "{report}");
    }

    #[test]
    fn a_server_that_has_ended_ends_again_unless_the_disk_was_full() {
        assert!(ended("ended with status 1", "unknown setting").is_lasting());
        assert!(!ended("ended with status 1", &format!("write: {NO_ROOM}")).is_lasting());
    }
}
