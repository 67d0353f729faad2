//! Plain servers, as other people run them: what is given by URL, and what is found on them.

mod pgbouncer;
mod postgres;
mod proxy;
mod redis;

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use self::pgbouncer::Pgbouncer;
pub use self::postgres::{PASSWORD, Postgres, REGISTRY, ROLE};
pub use self::proxy::Proxy;
pub use self::redis::Redis;

/// Longest time that a server may take to answer, and to have ended what it does.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a program until the pipe on its input closes: the process that holds the other end has
/// ended then, in whatever way.
const WHILE_WE_LIVE: &str = r#""$@" & server=$!; read -r _; kill -s INT $server; wait $server"#;

fn end(process: &mut Child) {
    drop(process.stdin.take());
    let _ = process.wait();
}

/// A directory that servers can enter, also as another user.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("container-test-server-")
        .tempdir()
        .expect("a directory for a server");
    hand_over(directory.path());
    directory
}

/// Gives a file or directory to the user of servers if we are root.
fn hand_over(path: &Path) {
    if let Some((user, group)) = other_user("postgres") {
        chown(path, Some(user), Some(group)).expect("a file that we may give away");
    }
}

/// A port that no process listens on.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    listener.local_addr().expect("its address").port()
}

/// A command whose program ends with us.
fn wrapped(user: &str, program: &Path, directory: &Path) -> Command {
    let log = fs::File::create(directory.join("log")).expect("a log");
    let mut command = if user == "postgres" {
        as_user(user, Path::new("sh"))
    } else {
        Command::new("sh")
    };
    command
        .args(["-c", WHILE_WE_LIVE, "sh"])
        .arg(program)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stderr(log.try_clone().expect("the same log"))
        .stdout(log);
    command
}

/// A command as a user if we are root, which PostgreSQL refuses to run as.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = other_user(user) {
        command.uid(user).gid(group);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn other_user(name: &str) -> Option<(u32, u32)> {
    let status = fs::read_to_string("/proc/self/status").expect("our own status");
    if !status.contains("\nUid:\t0\t") {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    let prefix = format!("{name}:");
    let user = users.lines().find(|line| line.starts_with(&prefix));
    let user = user.unwrap_or_else(|| panic!("this suite runs as root and needs a user {name}"));
    let mut fields = user.split(':').skip(2).map(|id| id.parse().expect("an id"));
    Some((fields.next()?, fields.next()?))
}

fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("this suite needs {name}: install the package {package}"))
}

fn finish(command: &mut Command) {
    if let Err(error) = output(command) {
        panic!("{}: {error}", command.get_program().display());
    }
}

/// What the command says on its output, or what it complains about.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn wait_for(what: &str, directory: &Path, mut happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happened() {
        if since.elapsed() > LONGEST {
            let mut text = format!("waited in vain for {what}");
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            let _ = write!(text, "; the server's log:\n{log}");
            panic!("{text}");
        }
        sleep(Duration::from_millis(20));
    }
}
