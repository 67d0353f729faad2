//! Servers from programs on this machine.
//!
//! Each server has a directory of its own, on tmpfs where there is room; it holds the data, the
//! log, and `endpoint`, which says how to join it. Whoever holds the server's lock starts it;
//! the watchdog removes the directory when the server ends.

mod directory;
mod launch;
mod postgres;
mod programs;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(super) use programs::{Programs, find};

use super::{Address, BoxError, Endpoint, Source, Wanted};
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

/// What was kept under the name.
pub(super) fn kept_file(name: &str) -> Option<String> {
    let owner = directory::owner().ok()?.ours();
    std::fs::read_to_string(directory::cache(&owner).ok()?.join(name)).ok()
}

/// Forgets what was kept under the name.
pub(super) fn forget_file(name: &str) {
    if let Ok(owner) = directory::owner()
        && let Ok(cache) = directory::cache(&owner.ours())
    {
        // It may be gone already.
        let _ = std::fs::remove_file(cache.join(name));
    }
}

/// How often a server that does not answer yet is asked again.
const POLL: Duration = Duration::from_millis(4);
/// How often a start is tried: a port may be taken between its choice and its use.
const ATTEMPTS: u32 = 3;

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
    let idle = wanted.idle()?;
    let owner = directory::owner()?;
    let name = format!("{}-{}", wanted.server_name(idle), programs.key());
    let base = directory::base(&owner);
    let place = Place {
        directory: base.join(&name),
    };

    // Most come when the server runs already, and need no lock.
    if let Some(endpoint) = place.endpoint(programs)
        && let Ok(lease) = connect(endpoint.clone()).await
    {
        return Ok((endpoint, lease));
    }
    // Nobody else looks for a server of a test's own.
    let lock = match wanted.only_for {
        None => Some(directory::lock(&name).await?),
        Some(_) => None,
    };
    if let Some(endpoint) = place.endpoint(programs)
        && let Ok(lease) = connect(endpoint.clone()).await
    {
        return Ok((endpoint, lease));
    }
    let mut attempt = 1;
    loop {
        let started = start(wanted, programs, &owner, &place, idle, &connect).await;
        match started {
            Err(error)
                if attempt < ATTEMPTS && place.log_tail(50).contains("ddress already in use") =>
            {
                drop(error);
                attempt += 1;
            }
            started => {
                drop(lock);
                return started;
            }
        }
    }
}

async fn start<T, C, F>(
    wanted: &Wanted,
    programs: &Programs,
    owner: &directory::Owner,
    place: &Place,
    idle: Duration,
    connect: &C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let launched = launch::launch(wanted, programs, owner, &place.directory, idle).await;
    let (mut watchdog, port, password) = match launched {
        Ok(launched) => launched,
        Err(error) => {
            directory::remove(&place.directory);
            return Err(error);
        }
    };
    let endpoint = place.describe(programs, port, password.clone());
    let deadline = Instant::now() + wanted.startup_timeout;
    loop {
        let failure = match connect(endpoint.clone()).await {
            Ok(lease) => {
                directory::write_private(
                    &place.directory.join("endpoint"),
                    &format!("{port} {password}\n"),
                    owner,
                )?;
                return Ok((endpoint, lease));
            }
            Err(failure) => failure,
        };
        let log = place.log_tail(50);
        let ended =
            log.contains("the server ended by itself") || !matches!(watchdog.try_wait(), Ok(None));
        if ended || Instant::now() > deadline {
            // The watchdog ends the server and removes the directory.
            launch::stop(&mut watchdog);
            directory::remove(&place.directory);
            let what = format!("start {}", programs.server().display());
            let note = if log.trim().is_empty() {
                "its log is empty".to_owned()
            } else {
                format!("its last log lines:\n{log}")
            };
            let cause = if ended {
                "the server ended by itself".into()
            } else {
                failure
            };
            return Err(Error::new(what).because(cause).note(note).with_help(
                "the server's own words above say why; an extension or setting that only an image has needs the docker provider",
            ));
        }
        sleep(POLL).await;
    }
}
