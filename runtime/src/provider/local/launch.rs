//! Starts a server under its watchdog.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::{Service, WATCHDOG, Wanted, random};
use super::directory::{self, Owner, failed};
use super::postgres;
use super::programs::Programs;
use crate::{Error, Result};

/// Starts the server; gives its watchdog, port and password.
pub(super) async fn launch(
    wanted: &Wanted,
    programs: &Programs,
    owner: &Owner,
    directory: &Path,
    idle: Duration,
) -> Result<(Child, u16, String)> {
    directory::make(directory, owner)?;
    let port = free_port()?;
    let data = directory.join("data");
    let (password, arguments) = match wanted.service {
        Service::Postgres => {
            let password = postgres::prepare(programs, owner, &data).await?;
            let data = data.display().to_string();
            let settings = [
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "dynamic_shared_memory_type=mmap",
            ];
            let mut arguments = vec!["-D".to_owned(), data, "-p".to_owned(), port.to_string()];
            arguments.extend(
                settings
                    .iter()
                    .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]),
            );
            arguments.extend(wanted.args.iter().cloned());
            (password, arguments)
        }
        Service::Redis => {
            let password = random()?;
            let port = port.to_string();
            let home = directory.display().to_string();
            let settings =
                ["--bind", "127.0.0.1", "--port", &port, "--dir", &home].map(str::to_owned);
            let settings = settings.into_iter().chain(wanted.args.iter().cloned());
            // In a file, since everybody can read a process's arguments.
            let file = directory.join("redis.conf");
            let text = redis_settings(settings).replace("{password}", &password);
            directory::write_private(&file, &text, owner)?;
            (password, vec![file.display().to_string()])
        }
    };

    let log = directory.join("log");
    let log_file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&log)
        .map_err(|error| failed("open", &log, error))?;
    let log_copy = log_file
        .try_clone()
        .map_err(|error| failed("open", &log, error))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", WATCHDOG, "container-test-watchdog"])
        .args([
            port.to_string(),
            idle.as_secs().to_string(),
            wanted.startup_timeout.as_secs().max(1).to_string(),
        ])
        .arg(wanted.service.stop_signal())
        .arg(directory)
        .arg(programs.server())
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C.UTF-8")
        .envs(wanted.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log_file)
        .stderr(log_copy)
        .process_group(0);
    if let Some((user, group)) = owner.other {
        command.uid(user).gid(group);
    }
    let child = command.spawn().map_err(|error| {
        Error::new(format!("start {}", programs.server().display())).because(error)
    })?;
    Ok((child, port, password))
}

/// Arguments of redis-server as lines of a settings file.
fn redis_settings(arguments: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for argument in arguments {
        if let Some(name) = argument.strip_prefix("--") {
            text.push('\n');
            text.push_str(name);
        } else {
            text.push_str(" \"");
            text.push_str(&argument.replace('\\', "\\\\").replace('"', "\\\""));
            text.push('"');
        }
    }
    text.push('\n');
    text
}

/// Tells the watchdog to end the server, and waits a moment until it has.
pub(super) fn stop(watchdog: &mut Child) {
    let told = Command::new("kill")
        .args(["-TERM", &watchdog.id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if told.is_ok() {
        for _ in 0..300 {
            if !matches!(watchdog.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::new("find a free port").because(error))
}
