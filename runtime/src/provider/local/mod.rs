//! Servers from programs on this machine.
//!
//! Each start of a server has a directory of its own, on tmpfs where there is room; it holds the
//! data, the log, and `endpoint`, which says how to join it. Whoever holds the server's lock
//! starts it; the watchdog removes the directory when the server ends.

mod directory;
mod launch;
mod postgres;
mod programs;
mod redis;

use std::future::Future;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(super) use programs::{Programs, find};

use self::directory::Owner;
use self::launch::Launched;
use super::{Address, BoxError, Endpoint, NO_ROOM, Service, Source, Wanted};
use crate::{Error, Result};

/// Keeps a small file in the cache directory, for us alone.
pub(super) fn keep_file(name: &str, text: &str) {
    let kept = || {
        let owner = directory::owner()?.ours();
        directory::write_private(&directory::cache(&owner)?.join(name), text, &owner)
    };
    // What cannot be kept is found out again.
    let _: Result<()> = kept();
}

/// Where kept files are.
pub(super) fn cache_directory() -> Option<PathBuf> {
    directory::cache(&directory::owner().ok()?.ours()).ok()
}

/// What was kept under the name.
pub(super) fn kept_file(name: &str) -> Option<String> {
    std::fs::read_to_string(cache_directory()?.join(name)).ok()
}

/// What was kept under the name by whoever came first: this text, if it is we.
pub(super) fn keep_first(name: &str, text: &str) -> Option<String> {
    let _alone = directory::lock_now(name).ok()?;
    if kept_file(name).is_none() {
        keep_file(name, text);
    }
    kept_file(name)
}

/// Forgets what was kept under the name.
pub(super) fn forget_file(name: &str) {
    if let Some(cache) = cache_directory() {
        // It may be gone already.
        let _ = std::fs::remove_file(cache.join(name));
    }
}

/// How often a server that does not answer yet is asked again.
const POLL: Duration = Duration::from_millis(4);
/// How often is looked whether it still runs.
const LOOK: Duration = Duration::from_millis(20);
/// How often a start is tried: a port may be taken between its choice and its use.
const ATTEMPTS: u32 = 3;

/// What to do when a disk is full.
const MAKE_ROOM: &str =
    "make room, or set CONTAINER_TEST_DATA_DIR to a directory with room for 512 MiB";

/// The directory of a running server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The last lines of the server's log; empty if it cannot be read.
    pub(super) fn log_tail(&self, lines: usize) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// How to join the server, if it was ready once.
    fn endpoint(&self, programs: &Programs) -> Option<Endpoint> {
        let text = std::fs::read_to_string(self.directory.join("endpoint")).ok()?;
        let mut words = text.split_whitespace();
        let (port, password) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(self.describe(programs, port, password))
    }

    fn describe(&self, programs: &Programs, port: u16, password: String) -> Endpoint {
        Endpoint {
            address: Address::Ours {
                host: "127.0.0.1".to_owned(),
                port,
                password,
            },
            place: format!(
                "local server {} on port {port}, data in {}",
                programs.server().display(),
                self.directory.display()
            ),
            source: Source::Local(self.clone()),
        }
    }
}

/// Finds or starts the server and waits until `connect` succeeds.
pub(super) async fn provide<T, C, F>(
    wanted: &Wanted,
    programs: &Programs,
    connect: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let owner = directory::owner()?;
    let name = format!("{}-{}", wanted.server_name(wanted.idle()?), programs.key());
    // Nobody else looks for a server of a test's own.
    let lock = if wanted.only_for.is_none() {
        // Most come when the server runs already, and need no lock.
        if let Some(joined) = join(&name, programs, &owner, &connect).await {
            return Ok(joined);
        }
        let lock = directory::lock(&name).await?;
        if let Some(joined) = join(&name, programs, &owner, &connect).await {
            return Ok(joined);
        }
        Some(lock)
    } else {
        None
    };
    let mut attempt = 1;
    let started = loop {
        match start(wanted, programs, &owner, &name, &connect).await {
            Err(failure) if failure.port_was_taken && attempt < ATTEMPTS => attempt += 1,
            started => break started.map_err(|failure| failure.error),
        }
    };
    drop(lock);
    started
}

/// Connects to the server of this name that runs already.
async fn join<T, C, F>(
    name: &str,
    programs: &Programs,
    owner: &Owner,
    connect: &C,
) -> Option<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    for directory in directory::find(name, owner) {
        // There is none in the directory of a server that is only about to start; one that ends
        // does not answer any more.
        if let Some(endpoint) = (Place { directory }).endpoint(programs)
            && let Ok(lease) = connect(endpoint.clone()).await
        {
            return Some((endpoint, lease));
        }
    }
    None
}

/// Why a server could not be started.
struct Failure {
    error: Error,
    port_was_taken: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            port_was_taken: false,
        }
    }
}

/// Waits until the server ends by itself.
async fn end_of(launched: &mut Launched, place: &Place) {
    while !launched.has_ended() && !place.log_tail(50).contains("the server ended by itself") {
        sleep(LOOK).await;
    }
}

async fn start<T, C, F>(
    wanted: &Wanted,
    programs: &Programs,
    owner: &Owner,
    name: &str,
    connect: &C,
) -> Result<(Endpoint, T), Failure>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let mut launched = launch::launch(wanted, programs, owner, name).await?;
    let place = Place {
        directory: launched.directory.clone(),
    };
    let (port, password) = (launched.port, launched.password.clone());
    let endpoint = place.describe(programs, port, password.clone());
    let deadline = Instant::now() + wanted.startup_timeout;
    // A server that listens already may take a while until it answers; meanwhile it must not look
    // as if nobody wanted it.
    let mut _waiting = None;
    let (cause, ended) = loop {
        // Whoever took the port meanwhile may accept a connection and say nothing.
        let answer = tokio::select! {
            biased;
            answer = connect(endpoint.clone()) => answer,
            () = end_of(&mut launched, &place) => break ("the server ended by itself".into(), true),
        };
        let failure = match answer {
            Ok(lease) => {
                let text = format!("{port} {password}\n");
                let file = place.directory.join("endpoint");
                match directory::write_private(&file, &text, owner) {
                    Ok(()) => return Ok((endpoint, lease)),
                    Err(error) => break (error.into(), false),
                }
            }
            Err(failure) => failure,
        };
        _waiting = _waiting.or_else(|| TcpStream::connect(("127.0.0.1", port)).ok());
        if Instant::now() > deadline {
            break (failure, false);
        }
        sleep(POLL).await;
    };
    let log = place.log_tail(50);
    launched.stop().await;
    // Said only now: asking for the version at every start would cost more than it helps.
    if ended && wanted.service == Service::Redis {
        redis::check_version(programs)?;
    }
    let note = if log.trim().is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its last log lines:\n{log}")
    };
    let help = if log.contains(NO_ROOM) {
        MAKE_ROOM
    } else {
        "the server's own words above say why; an extension or setting that only an image has needs the docker provider"
    };
    Err(Failure {
        error: Error::new(format!("start {}", programs.server().display()))
            .because(cause)
            .note(note)
            .with_help(help),
        port_was_taken: log.contains("ddress already in use"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Another server has taken the port: it accepts our connections, and waits for more.
    #[tokio::test]
    async fn a_server_that_ends_while_somebody_else_holds_our_connection_is_started_anew() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("redis-server");
        fs::write(
            &program,
            "#!/bin/sh\necho 'bind: Address already in use'\nexit 1\n",
        )
        .unwrap();
        for path in [directory.path(), &program] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let programs = programs::in_directory(directory.path(), &["redis-server"], &[]).unwrap();
        let wanted = Wanted {
            service: Service::Redis,
            image: String::new(),
            args: Vec::new(),
            env: Vec::new(),
            startup_timeout: Duration::from_secs(60),
            only_for: Some(super::super::random().unwrap()),
        };
        let starts = AtomicU32::new(0);
        let provided = provide(&wanted, &programs, |_| {
            starts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<(), BoxError>>()
        });
        let provided = tokio::time::timeout(Duration::from_secs(50), provided).await;
        let error = provided.expect("an end").unwrap_err().report();
        assert!(error.contains("the server ended by itself"), "{error}");
        assert!(error.contains("Address already in use"), "{error}");
        assert_eq!(starts.into_inner(), ATTEMPTS);
    }

    #[test]
    fn what_is_kept_first_stays() {
        let name = format!("test-{}", super::super::random().unwrap());
        let at_once = std::sync::Barrier::new(8);
        let kept: Vec<Option<String>> = std::thread::scope(|scope| {
            let keep = |number: usize| {
                let (at_once, name) = (&at_once, &name);
                scope.spawn(move || {
                    at_once.wait();
                    keep_first(name, &number.to_string())
                })
            };
            let all: Vec<_> = (0..8).map(keep).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        forget_file(&name);
        forget_file(&format!("{name}.lock"));
        assert!(kept[0].is_some());
        assert!(kept.iter().all(|text| *text == kept[0]), "{kept:?}");
    }
}
