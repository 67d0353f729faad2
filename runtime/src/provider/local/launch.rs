//! Starts a server under its watchdog.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::log::LocalLog;
use super::programs::Programs;
use super::{directory, gate};
use crate::lifecycle::private::failed;
use crate::lifecycle::{Cache, Owner, private, shell, watchdog};
use crate::provider::placeholders::Placeholders;
use crate::provider::request::Request;
use crate::service::{BoxError, LocalStart};
use crate::{Error, Result, hash};

/// Hands the watchdog's input to its child, whose own is empty, and its output to the cleaner.
const REDIRECT: &str = "exec 3<&0 4>&1 </dev/null >&2\n";

/// Removes the server's directory when all processes that were started for it have ended, in
/// whatever way: they may run as another user, who may not remove it, and this process may end
/// before.
const CLEANER: &str = "read -r _; rm -rf \"$1\"";

/// How much longer than the server's start the preparation of its data may take.
const PREPARATION: Duration = Duration::from_secs(120);

/// A server that is starting.
pub(super) struct Launched {
    pub(super) directory: PathBuf,
    pub(super) port: u16,
    pub(super) password: String,
    watchdog: Child,
}

/// Starts the server of this name, in a directory of its own.
pub(super) async fn launch(
    request: &Request,
    name: &str,
    programs: &Programs,
    owner: &Owner,
    cache: &Cache,
) -> Result<Launched> {
    let config = &request.config;
    directory::sweep(config, owner);
    let directory = directory::choose(config, name, owner)?;
    // Started before there is anything to remove: this process may be killed at any moment.
    let cleaner = start_cleaner(request, &directory)?;
    directory::create(&directory, owner)?;
    let watched = free_port().and_then(|port| {
        let watched = start_watchdog(request, programs, owner, &directory, port, cleaner)?;
        Ok((port, watched))
    });
    let (port, (watchdog, gate)) = watched.inspect_err(|_| private::remove(&directory))?;
    let mut launched = Launched {
        directory,
        port,
        password: String::new(),
        watchdog,
    };
    match prepare(request, programs, owner, cache, &launched, &gate).await {
        Ok(prepared) => {
            launched.password.clone_from(&prepared.password);
            let arguments = [&programs.local().args[..], &request.spec.args].concat();
            let opened = gate::open(
                gate,
                &launched.directory,
                owner,
                programs.server(),
                &prepared.fill_all(&arguments),
                &prepared.fill_pairs(&request.spec.env),
            );
            match opened {
                Ok(()) => Ok(launched),
                Err(error) => {
                    launched.stop().await;
                    Err(error)
                }
            }
        }
        Err(error) => {
            drop(gate);
            launched.stop().await;
            Err(error)
        }
    }
}

/// Puts into the server's directory what the server starts from. Returns what the words in the
/// server's spec stand for.
async fn prepare(
    request: &Request,
    programs: &Programs,
    owner: &Owner,
    cache: &Cache,
    launched: &Launched,
    gate: &ChildStdin,
) -> Result<Placeholders> {
    let directory = &launched.directory;
    let password = match programs.local().data {
        Some(data) => {
            let held = gate.as_fd().try_clone_to_owned();
            let start = LocalStart {
                program: programs.server().to_owned(),
                directory: directory.clone(),
                owner: owner.clone(),
                cache: cache.clone(),
                held: Arc::new(held.map_err(|error| failed("watch over", directory, error))?),
                config: Arc::clone(&request.config),
            };
            data.prepare(start).await?
        }
        None => None,
    };
    let placeholders = Placeholders {
        password: match password {
            Some(password) => password,
            None => hash::random()?,
        },
        host: "127.0.0.1",
        port: launched.port,
        directory: directory.display().to_string(),
    };
    for (name, text) in placeholders.fill_pairs(&request.spec.files) {
        private::write(&directory.join(name), &text, owner)?;
    }
    Ok(placeholders)
}

/// Starts the watchdog, with the server's gate under it.
fn start_watchdog(
    request: &Request,
    programs: &Programs,
    owner: &Owner,
    directory: &Path,
    port: u16,
    cleaner: Stdio,
) -> Result<(Child, ChildStdin)> {
    let log = LocalLog::in_directory(directory);
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(log.path())
        .map_err(|error| failed("open", log.path(), error))?;
    // Held until the watchdog and the server have ended, so that the directory is not swept. Where
    // files cannot be locked, none is.
    let _ = file.try_lock();
    let spec = &request.spec;
    let grace = spec.startup_timeout.max(Duration::from_secs(1)) + PREPARATION;
    let mut command = shell(&request.config);
    command
        .arg("-c")
        .arg(format!("{REDIRECT}{}", watchdog::SCRIPT))
        .arg("container-test-watchdog")
        .args([port.to_string(), request.idle.as_secs().to_string()])
        .arg(grace.as_secs().to_string())
        .arg(spec.stop_signal)
        .arg(directory)
        .args(["/bin/sh", "-c", gate::GATE, "container-test-gate"])
        .arg(gate::file(directory))
        .stdin(Stdio::piped())
        .stdout(cleaner)
        .stderr(file);
    owner.run(&mut command);
    let failed = |cause: BoxError| {
        Error::new(format!("start {}", programs.server().display())).because(cause)
    };
    let mut child = command.spawn().map_err(|error| failed(error.into()))?;
    match child.stdin.take() {
        Some(gate) => Ok((child, gate)),
        None => Err(failed("it has no input".into())),
    }
}

/// Starts the cleaner. Returns its input, which every other process of the server must hold open.
fn start_cleaner(request: &Request, directory: &Path) -> Result<Stdio> {
    let started = std::io::pipe().and_then(|(input, output)| {
        let mut cleaner = shell(&request.config);
        cleaner
            .args(["-c", CLEANER, "container-test-cleaner"])
            .arg(directory)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        cleaner.spawn().map(|_| output.into())
    });
    started.map_err(|error| failed("see to the removal of", directory, error))
}

impl Launched {
    /// Returns whether the watchdog has ended, and so the server.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.watchdog.try_wait(), Ok(None))
    }

    /// Tells the watchdog to end the server, waits a moment until it has, and removes the
    /// directory.
    pub(super) async fn stop(&mut self) {
        let told = Command::new("kill")
            .args(["-TERM", &self.watchdog.id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if told.is_ok() {
            for _ in 0..300 {
                if self.has_ended() {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        }
        private::remove(&self.directory);
    }
}

/// Returns a port that is free at this moment.
fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::new("find a free port").because(error))
}
