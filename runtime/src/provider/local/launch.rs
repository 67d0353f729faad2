//! Starts a server under its watchdog.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use super::super::{Service, WATCHDOG, Wanted};
use super::directory::{self, Owner, failed};
use super::programs::Programs;
use super::{postgres, redis};
use crate::{Error, Result, config};

/// Keeps the watchdog's input for its child, whose own is empty, and its output for the cleaner.
const KEEP: &str = "exec 3<&0 4>&1 </dev/null >&2\n";

/// Removes the server's directory when all that were started for it have ended, in whatever way:
/// they may run as somebody else, who may not remove it, and before that we may end ourselves.
const CLEANER: &str = "read -r _; rm -rf \"$1\"";

/// What the watchdog runs: the server, once its data are there. If we end before, so does this,
/// and the watchdog removes what is there of them.
const WHEN_PREPARED: &str = "read -r go <&3 && exec \"$@\" 3<&-";

/// Where scripts of ours find the programs of the system.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// How much longer than the server's start the preparation of its data may take.
const PREPARATION: Duration = Duration::from_secs(120);

/// A shell that has nothing of ours: neither our environment nor our directory nor our process
/// group.
pub(super) fn shell() -> Command {
    let mut path = OsString::from(PATH);
    // Some systems have their programs nowhere but along the user's own.
    for directory in config::search_path() {
        path.push(":");
        path.push(directory);
    }
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .process_group(0);
    shell
}

/// A server that is starting.
pub(super) struct Launched {
    pub(super) directory: PathBuf,
    pub(super) port: u16,
    pub(super) password: String,
    watchdog: Child,
}

/// Starts the server of this name, in a directory of its own.
pub(super) async fn launch(
    wanted: &Wanted,
    programs: &Programs,
    owner: &Owner,
    name: &str,
) -> Result<Launched> {
    directory::sweep(owner);
    let directory = directory::choose(name, owner)?;
    // Before there is anything to remove: we may be killed at any moment.
    let cleaner = clean_up(&directory)?;
    directory::make(&directory, owner)?;
    let watched = free_port().and_then(|port| {
        let idle = wanted.idle()?;
        Ok((
            port,
            watch(wanted, programs, owner, &directory, port, idle, cleaner)?,
        ))
    });
    let (port, (watchdog, gate)) = watched.inspect_err(|_| directory::remove(&directory))?;
    let mut launched = Launched {
        directory,
        port,
        password: String::new(),
        watchdog,
    };
    match prepare(wanted, programs, owner, &launched.directory, port).await {
        Ok(password) => {
            launched.password = password;
            open(gate, programs).map(|()| launched)
        }
        Err(error) => {
            drop(gate);
            launched.stop().await;
            Err(error)
        }
    }
}

/// Starts the watchdog, which waits for the data.
fn watch(
    wanted: &Wanted,
    programs: &Programs,
    owner: &Owner,
    directory: &Path,
    port: u16,
    idle: Duration,
    cleaner: Stdio,
) -> Result<(Child, ChildStdin)> {
    let path = directory.join("log");
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    // Held until the watchdog and the server have ended; `directory::sweep` looks at it. Where
    // files cannot be locked, nothing is swept.
    let _ = log.try_lock();
    let arguments = match wanted.service {
        Service::Postgres => postgres::arguments(&wanted.args, directory, port),
        Service::Redis => redis::arguments(directory),
    };
    let grace = wanted.startup_timeout.max(Duration::from_secs(1)) + PREPARATION;
    let mut command = shell();
    command
        .arg("-c")
        .arg(format!("{KEEP}{WATCHDOG}"))
        .arg("container-test-watchdog")
        .args([port.to_string(), idle.as_secs().to_string()])
        .arg(grace.as_secs().to_string())
        .arg(wanted.service.stop_signal())
        .arg(directory)
        .args(["/bin/sh", "-c", WHEN_PREPARED, "container-test-gate"])
        .arg(programs.server())
        .args(arguments)
        .envs(wanted.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(cleaner)
        .stderr(log);
    if let Some((user, group)) = owner.other {
        command.uid(user).gid(group);
    }
    let mut child = command
        .spawn()
        .map_err(|error| start_failed(programs, error.into()))?;
    match child.stdin.take() {
        Some(gate) => Ok((child, gate)),
        None => Err(start_failed(programs, "it has no input".into())),
    }
}

/// Starts the cleaner; gives what all others must have as an output.
fn clean_up(directory: &Path) -> Result<Stdio> {
    let started = std::io::pipe().and_then(|(input, output)| {
        let mut cleaner = shell();
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

/// Puts there what the server starts from; gives the password.
async fn prepare(
    wanted: &Wanted,
    programs: &Programs,
    owner: &Owner,
    directory: &Path,
    port: u16,
) -> Result<String> {
    match wanted.service {
        Service::Postgres => postgres::prepare(programs, owner, &directory.join("data")).await,
        Service::Redis => redis::prepare(&wanted.args, owner, directory, port),
    }
}

/// Lets the server start.
fn open(mut gate: ChildStdin, programs: &Programs) -> Result<()> {
    gate.write_all(b"go\n")
        .map_err(|error| start_failed(programs, error.into()))
}

fn start_failed(programs: &Programs, cause: super::BoxError) -> Error {
    Error::new(format!("start {}", programs.server().display())).because(cause)
}

impl Launched {
    /// Whether the watchdog has ended, and so the server.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.watchdog.try_wait(), Ok(None))
    }

    /// Tells the watchdog to end the server, waits a moment until it has, and removes what there
    /// is.
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
        directory::remove(&self.directory);
    }
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::new("find a free port").because(error))
}
