//! Prepared data directories of PostgreSQL: `initdb` runs once per program and settings, and
//! every server starts from a copy.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::{hex, random};
use super::directory::{self, Owner, failed};
use super::launch::shell;
use super::programs::Programs;
use crate::{Error, Result, registry};

use sha2::{Digest, Sha256};

/// The oldest major version that is supported.
const OLDEST: u32 = 13;

/// What makes a prepared directory: a change makes a new one.
const INITDB: [&str; 5] = [
    "--username=postgres",
    "--auth=password",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
];

/// The server's arguments.
pub(super) fn arguments(wanted: &[String], directory: &Path, port: u16) -> Vec<String> {
    let data = directory.join("data").display().to_string();
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "dynamic_shared_memory_type=mmap",
    ];
    let mut arguments = vec!["-D".to_owned(), data, "-p".to_owned(), port.to_string()];
    for setting in settings {
        arguments.extend(["-c".to_owned(), setting.to_owned()]);
    }
    arguments.extend(wanted.iter().cloned());
    arguments
}

/// Puts a data directory at `data`; gives the password of the user `postgres`.
pub(super) async fn prepare(programs: &Programs, owner: &Owner, data: &Path) -> Result<String> {
    let (programs, owner, data) = (programs.clone(), owner.clone(), data.to_owned());
    // It takes a while, and others use the thread.
    tokio::task::spawn_blocking(move || fill(&programs, &owner, &data))
        .await
        .unwrap_or_else(|error| Err(Error::new("prepare the data directory").because(error)))
}

fn fill(programs: &Programs, owner: &Owner, data: &Path) -> Result<String> {
    let version = version(programs)?;
    let key = Sha256::digest(format!(
        "{version} {} {INITDB:?} {} {}",
        programs.server().display(),
        owner.other.is_some(),
        registry::NAME
    ));
    let name = format!("postgres-{}", hex(&key[..6]));
    let cache = directory::cache(owner)?;
    let cached = cache.join(&name);
    let finished = cached.join("password");
    if !finished.is_file() {
        let _alone = directory::lock_now(&name)?;
        if !finished.is_file() {
            let password = make(programs, owner, data)?;
            // What cannot be kept is made again.
            let _: Result<()> = keep(owner, data, &password, &cache, &name);
            return Ok(password);
        }
    }
    copy(&cached.join("data"), data)?;
    fs::read_to_string(&finished)
        .map(|password| password.trim().to_owned())
        .map_err(|error| failed("read", &finished, error))
}

/// Makes a data directory; gives its password.
fn make(programs: &Programs, owner: &Owner, data: &Path) -> Result<String> {
    let password = random()?;
    let password_file = data.with_extension("password");
    directory::write_private(&password_file, &password, owner)?;
    let mut initdb = guarded(programs.beside("initdb"));
    initdb
        .args(INITDB)
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(data);
    as_owner(&mut initdb, owner);
    let made = run("run initdb", &mut initdb);
    let _ = fs::remove_file(&password_file);
    made?;
    // Checking passwords by MD5 costs the server less than SCRAM, and they travel over loopback.
    let settings = data.join("postgresql.auto.conf");
    fs::write(&settings, "password_encryption = 'md5'\n")
        .map_err(|error| failed("write", &settings, error))?;
    let sql = format!(
        "SET password_encryption = 'md5';\nALTER ROLE postgres PASSWORD '{password}';\nCREATE DATABASE {};\n",
        registry::NAME
    );
    single_user(programs, owner, data, &sql)?;
    Ok(password)
}

/// Keeps a copy of a data directory for the next time, whole or not at all.
fn keep(owner: &Owner, data: &Path, password: &str, cache: &Path, name: &str) -> Result<()> {
    // Makers that were killed may have left something.
    let prefix = format!("{name}.new-");
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            directory::remove(&entry.path());
        }
    }
    directory::remove(&cache.join(name));
    let owner = owner.clone().ours();
    let new = cache.join(format!("{prefix}{}", random()?));
    directory::private(&new, &owner)?;
    let kept = copy(data, &new.join("data"))
        .and_then(|()| directory::write_private(&new.join("password"), password, &owner))
        .and_then(|()| {
            fs::rename(&new, cache.join(name)).map_err(|error| failed("rename", &new, error))
        });
    kept.inspect_err(|_| directory::remove(&new))
}

/// Copies a data directory as whom we are: the cache may be in a home that the servers' user
/// cannot enter.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = guarded("cp");
    copy.arg("-R").arg("-p").arg(from).arg(to);
    run("copy the prepared data directory", &mut copy)
}

/// Runs statements, a line each, in a server of their own without any connection.
fn single_user(programs: &Programs, owner: &Owner, data: &Path, statements: &str) -> Result<()> {
    let script = data.with_extension("sql");
    directory::write_private(&script, statements, owner)?;
    let mut server = guarded("/bin/sh");
    server
        // Until it heeds signals it would leave shared memory, and it ends by itself.
        .args([
            "-c",
            "script=$1; shift; trap '' TERM; exec \"$@\" <\"$script\"",
            "sh",
        ])
        .arg(&script)
        .arg(programs.server())
        .args(["--single", "-F", "-D"])
        .arg(data)
        .arg("postgres");
    as_owner(&mut server, owner);
    let done = run("prepare the data directory", &mut server);
    let _ = fs::remove_file(&script);
    done
}

/// Runs a program, and ends it when its own input ends: then we have ended. Not what it has started
/// in turn: the servers that `initdb` runs end with their input, and leave shared memory if they are
/// told to. Nobody reads what this says by then, and so it may end in the middle of saying it.
const GUARD: &str = "exec 3<&0 </dev/null
\"$@\" 3<&- & program=$!
(read -r _ <&3
kill -TERM $program; tenths=0
while kill -0 $program 2>/dev/null; do
    [ $tenths -lt 600 ] || kill -KILL 0
    sleep 0.1; tenths=$((tenths + 1))
done) & guard=$!
wait $program
status=$?
kill $guard
exit $status";

/// A program that does not outlive us, in a process group of its own.
fn guarded(program: impl AsRef<OsStr>) -> Command {
    let mut command = shell();
    command
        .args(["-c", GUARD, "container-test-guard"])
        .arg(program);
    command
}

fn as_owner(command: &mut Command, owner: &Owner) {
    if let Some((user, group)) = owner.other {
        command.uid(user).gid(group);
    }
}

/// The server's version; too old a one is refused.
fn version(programs: &Programs) -> Result<String> {
    let step = format!("run {}", programs.server().display());
    let output = Command::new(programs.server())
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| Error::new(step.clone()).because(error))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let number = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let major = number.and_then(|number| {
        number
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u32>()
            .ok()
    });
    match major {
        Some(major) if major >= OLDEST => Ok(text),
        Some(_) => Err(Error::new(step)
            .because(format!(
                "this is `{text}`; PostgreSQL {OLDEST} and newer are supported"
            ))
            .with_help(
                "install a newer one, or set CONTAINER_TEST_POSTGRES_BIN to the directory of one",
            )),
        None => Err(Error::new(step).because(format!("it does not say its version, but `{text}`"))),
    }
}

fn run(step: &str, guarded: &mut Command) -> Result<()> {
    let failed = |error| Error::new(step).because(error);
    let mut child = guarded
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Open until it has ended.
    let _guard = child.stdin.take();
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Vec<&str> = said.trim().lines().take(5).collect();
    let said = said.join("\n").trim().to_owned();
    let mut error = Error::new(step).because(if said.is_empty() {
        output.status.to_string()
    } else {
        said.clone()
    });
    if said.contains(super::NO_ROOM) {
        error = error.with_help(super::MAKE_ROOM);
    }
    Err(error)
}
