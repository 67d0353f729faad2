//! Starts a local server and waits until it answers.

use std::future::Future;
use std::net::TcpStream;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::launch::{Launched, launch};
use super::log::LocalLog;
use super::programs::Programs;
use super::{join, version};
use crate::lifecycle::{Cache, MAKE_ROOM, NO_ROOM, Owner, watchdog};
use crate::provider::request::Request;
use crate::service::{BoxError, Endpoint, OpenError};
use crate::{Error, Result};

/// How often a server that does not answer yet is tried again.
const POLL: Duration = Duration::from_millis(4);
/// How often a server that is starting is checked for its end.
const LOOK: Duration = Duration::from_millis(20);
/// How long a server may take to end whose port another server has taken.
const LOST_PORT: Duration = Duration::from_secs(1);
/// Lines of the log in errors.
const LOG_LINES: usize = 50;

/// Why a server could not be started.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) port_was_taken: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            port_was_taken: false,
        }
    }
}

/// How a wait has failed.
struct End {
    cause: BoxError,
    by_itself: bool,
}

/// Starts the server of this name and waits until `open` succeeds on it.
pub(super) async fn start<T, C, F>(
    request: &Request,
    name: &str,
    programs: &Programs,
    owner: &Owner,
    cache: &Cache,
    open: &C,
) -> Result<(Endpoint, T), Failure>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let mut launched = launch(request, name, programs, owner, cache).await?;
    let directory = launched.directory.clone();
    let (port, password) = (launched.port, launched.password.clone());
    let endpoint = join::endpoint(&directory, programs, port, &password);
    let log = LocalLog::in_directory(&directory);
    let limit = request.spec.startup_timeout;
    let end = match wait(&mut launched, &endpoint, &log, limit, open).await {
        Ok(opened) => match join::announce(&directory, owner, port, &password) {
            Ok(()) => return Ok((endpoint, opened)),
            Err(error) => End {
                cause: error.into(),
                by_itself: false,
            },
        },
        Err(end) => end,
    };
    let log = log.last(LOG_LINES);
    launched.stop().await;
    if end.by_itself {
        version::check(request.spec.service, programs).map_err(Error::lasting)?;
    }
    let note = if log.trim().is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its last log lines:\n{log}")
    };
    let help = if log.contains(NO_ROOM) {
        MAKE_ROOM
    } else {
        "the server's own words above say why; an extension or setting that only an image has \
         needs the docker provider"
    };
    let port_was_taken = log.contains("ddress already in use");
    let error = Error::new(format!("start {}", programs.server().display()))
        .because(end.cause)
        .note(note)
        .with_help(help);
    Err(Failure {
        error: if port_was_taken || log.contains(NO_ROOM) {
            error
        } else {
            error.lasting()
        },
        port_was_taken,
    })
}

/// Waits until `open` succeeds.
async fn wait<T, C, F>(
    launched: &mut Launched,
    endpoint: &Endpoint,
    log: &LocalLog,
    limit: Duration,
    open: &C,
) -> Result<T, End>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let deadline = Instant::now() + limit;
    // A server that listens already may take a while until it answers. Meanwhile the watchdog must
    // see a connection.
    let mut _waiting = None;
    let mut last = None;
    loop {
        // Another program that has taken the port may accept a connection and say nothing.
        let answer = tokio::select! {
            biased;
            answer = open(endpoint.clone()) => answer,
            by_itself = end_of(launched, log) => return Err(match last {
                Some(cause) if !by_itself => End::unanswered(cause),
                _ => End::by_itself(),
            }),
        };
        let failure = match answer {
            Ok(opened) => return Ok(opened),
            // Another server may have taken the port: then this one is about to end.
            Err(OpenError::Fatal(cause)) => {
                return Err(match timeout(LOST_PORT, end_of(launched, log)).await {
                    Ok(_) => End::by_itself(),
                    Err(_) => End {
                        cause,
                        by_itself: false,
                    },
                });
            }
            Err(failure) => failure,
        };
        _waiting = _waiting.or_else(|| TcpStream::connect(("127.0.0.1", launched.port)).ok());
        if Instant::now() > deadline {
            return Err(End {
                cause: failure.into_cause(),
                by_itself: false,
            });
        }
        last = Some(failure.into_cause());
        sleep(POLL).await;
    }
}

impl End {
    fn by_itself() -> Self {
        Self {
            cause: watchdog::ENDED.into(),
            by_itself: true,
        }
    }

    /// The end of a server that the watchdog has stopped.
    fn unanswered(cause: BoxError) -> Self {
        let error = Error::new("connect to it")
            .because(cause)
            .note("it has ended, since no process could connect to it");
        Self {
            cause: error.into(),
            by_itself: false,
        }
    }
}

/// Waits until the server ends; returns whether it did by itself, as the watchdog's line in its log
/// says. The log of a server that the watchdog has stopped is gone.
async fn end_of(launched: &mut Launched, log: &LocalLog) -> bool {
    loop {
        if log.last(LOG_LINES).contains(watchdog::ENDED) {
            return true;
        }
        if launched.has_ended() {
            return false;
        }
        sleep(LOOK).await;
    }
}
