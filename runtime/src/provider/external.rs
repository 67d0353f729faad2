//! Servers that the environment names by URL: this crate neither starts nor stops them.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::request::Request;
use super::running_server::RunningServer;
use crate::config::url_variable;
use crate::service::{Address, Endpoint, NoLog, OpenError};
use crate::{Error, Result, report};

/// How long a server may take to answer: it should run already, but a service container of a CI
/// job may be starting at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether this process was stopped, and from what time on it was.
const LOOK: Duration = Duration::from_millis(500);
const STOPPED: Duration = Duration::from_secs(2);

/// How long a server may have no free connection: other tests close theirs.
const PATIENCE_WHILE_FULL: Duration = Duration::from_secs(300);

/// The servers, by URL, that did not answer in time: further tests of the process do not wait for
/// them again.
#[derive(Debug, Default)]
pub(super) struct SilentServers(Mutex<HashSet<String>>);

impl SilentServers {
    fn with<T>(&self, change: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits until `open` succeeds on the server that the URL names.
pub(super) async fn provide<T, C, F>(
    request: &Request,
    url: String,
    silent: &SilentServers,
    open: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let spec = &request.spec;
    let service = spec.service;
    if spec.exclusive {
        return Err(
            Error::new(format!("give the test a {service} server of its own"))
                .because("servers given by URL are shared")
                .with_help(
                    "run this test with Docker or local programs, or leave out \
                     `isolation = \"server\"`",
                ),
        );
    }
    if spec.refuses_urls {
        return Err(Error::new(format!("use the {service} server given by URL"))
            .because("the service needs settings that only servers started for tests have")
            .with_help(format!("unset {}", url_variable(service))));
    }
    let endpoint = endpoint(&url);
    let was_silent = silent.with(|urls| urls.contains(&url));
    let (since, mut told) = (Instant::now(), false);
    let mut stopped = Duration::ZERO;
    let mut pause = Duration::from_millis(50);
    loop {
        let (answer, stopped_meanwhile) = while_running(open(endpoint.clone())).await;
        stopped += stopped_meanwhile;
        let failure = match answer {
            Ok(opened) => {
                silent.with(|urls| urls.remove(&url));
                return Ok((endpoint, opened));
            }
            Err(failure) => failure,
        };
        let patience = match &failure {
            OpenError::Full(_) => PATIENCE_WHILE_FULL,
            OpenError::Starting(_) if !was_silent => spec.startup_timeout.min(PATIENCE),
            OpenError::Starting(_) | OpenError::Fatal(_) => Duration::ZERO,
        };
        let waited = since.elapsed().saturating_sub(stopped);
        if waited >= patience {
            if matches!(failure, OpenError::Starting(_)) {
                silent.with(|urls| urls.insert(url));
            }
            return Err(
                Error::new(format!("use the {service} {}", endpoint.description))
                    .because(failure.into_cause())
                    .with_help(
                        "check the URL: scheme, host, port, user, password and database; \
                         encrypted connections need the feature `tls`",
                    ),
            );
        }
        if matches!(failure, OpenError::Full(_)) && !told && waited > report::SILENCE {
            told = true;
            report::progress(&format!(
                "waiting for a free connection to the {service} {}",
                endpoint.description
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Awaits a future, and returns for how long this process was stopped meanwhile: by a signal, by a
/// debugger, or because the machine slept. That is no time in which a server did not answer.
async fn while_running<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let mut future = std::pin::pin!(future);
    let (mut looked, mut stopped) = (Instant::now(), Duration::ZERO);
    loop {
        let value = tokio::time::timeout(LOOK, &mut future).await;
        let took = looked.elapsed();
        if took > STOPPED {
            stopped += took;
        }
        if let Ok(value) = value {
            return (value, stopped);
        }
        looked = Instant::now();
    }
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        description: format!("server {}", without_password(url)),
        address: Address::Given(url.to_owned()),
        outlives_tests: true,
        log: Arc::new(NoLog),
    }
}

/// Returns the server that a service is given by this URL, as one that runs.
pub(super) fn running(service: &str, url: &str) -> RunningServer {
    RunningServer {
        service: service.to_owned(),
        provider: "external",
        name: without_password(url),
        age: None,
        endpoint: Some(endpoint(url)),
        log: Arc::new(NoLog),
        end: None,
    }
}

/// Returns a URL without its password. One that is not well-formed is not shown at all: the
/// password may be anywhere in it.
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

/// Returns the text up to the first of the characters.
fn until<'a>(text: &'a str, characters: &str) -> &'a str {
    let end = text.find(|character| characters.contains(character));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::config::Config;
    use crate::service::ServerSpec;

    const URL: &str = "nats://me:secret@127.0.0.1:1";

    const STARTUP: Duration = Duration::from_millis(200);

    fn request() -> Request {
        let spec = ServerSpec {
            startup_timeout: STARTUP,
            ..ServerSpec::new("nats", "nats:2-alpine", 4222)
        };
        Request::new(&spec, &Arc::new(Config::with(&[]))).unwrap()
    }

    #[tokio::test]
    async fn a_fatal_error_ends_the_wait() {
        let (silent, tries) = (SilentServers::default(), Cell::new(0));
        let open = |_| {
            tries.set(tries.get() + 1);
            async { Err::<(), _>(OpenError::fatal("the password is wrong")) }
        };
        let provided = provide(&request(), URL.to_owned(), &silent, open).await;
        let report = provided.unwrap_err().report();
        assert!(
            report.contains("because: the password is wrong"),
            "{report}"
        );
        assert!(!report.contains("secret"), "{report}");
        assert_eq!(tries.get(), 1);
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_waited_for_once() {
        let silent = SilentServers::default();
        let open = |_| async { Err::<(), _>(OpenError::starting("nothing answers")) };
        for waits in [true, false] {
            let since = Instant::now();
            let provided = provide(&request(), URL.to_owned(), &silent, open).await;
            provided.unwrap_err();
            assert_eq!(since.elapsed() >= STARTUP, waits);
        }
    }

    #[tokio::test]
    async fn time_in_which_this_process_was_stopped_does_not_count() {
        let (silent, tries) = (SilentServers::default(), Cell::new(0));
        let open = |_| {
            tries.set(tries.get() + 1);
            let first = tries.get() == 1;
            async move {
                if first {
                    // Nothing of this process runs.
                    std::thread::sleep(STOPPED + STARTUP);
                    return Err(OpenError::starting("no answer in time"));
                }
                Ok(())
            }
        };
        provide(&request(), URL.to_owned(), &silent, open)
            .await
            .unwrap();
        assert_eq!(tries.get(), 2);
    }

    #[tokio::test]
    async fn a_server_that_is_full_is_waited_for_longer() {
        let (silent, since) = (SilentServers::default(), Instant::now());
        let open = async |_| {
            if since.elapsed() < STARTUP * 2 {
                Err(OpenError::full("too many clients"))
            } else {
                Ok(())
            }
        };
        provide(&request(), URL.to_owned(), &silent, open)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_service_can_refuse_servers_given_by_url() {
        let mut request = request();
        request.spec.refuses_urls = true;
        let open = async |_| Ok::<(), OpenError>(());
        let provided = provide(&request, URL.to_owned(), &SilentServers::default(), open).await;
        let report = provided.unwrap_err().report();
        assert!(
            report.ends_with("help: unset CONTAINER_TEST_NATS_URL"),
            "{report}"
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            (
                "sql://me:se@cret@db:5432/x?password=p",
                "sql://me@db:5432/x",
            ),
            ("sql://me:se/cret@db/x", "sql://me@db/x"),
            ("sql://me:se?cret@db/x", "sql://me@db/x"),
            ("sql://me:secret", "given by an odd URL"),
            ("me:secret", "given by an odd URL"),
            ("cache://:secret@cache/3", "cache://@cache/3"),
            ("cache://cache:6379", "cache://cache:6379"),
            ("cache://[::1]:6379/2", "cache://[::1]:6379/2"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }

    #[test]
    fn sockets_are_shown() {
        for (url, shown) in [
            ("sql://me:secret@%2Frun%2Fpg/x", "sql://me@%2Frun%2Fpg/x"),
            (
                "sql://me@localhost/x?host=/run/pg&password=p",
                "sql://me@localhost/x at /run/pg",
            ),
            (
                "unix:///run/cache.sock?pass=secret",
                "unix:///run/cache.sock",
            ),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
