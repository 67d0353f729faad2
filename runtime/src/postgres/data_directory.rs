//! Prepared data directories: `initdb` runs once per program or image and settings, and every
//! server starts from a copy.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};

use super::registry::{NAME, SCRIPT};
use crate::lifecycle::private::failed;
use crate::lifecycle::{Cache, Owner, guarded, private, run};
use crate::service::{LocalData, LocalStart, PreparedData};
use crate::{Error, Result, hash};

/// The oldest major version that is supported.
const OLDEST: u32 = 13;

/// The arguments of `initdb`. Other arguments make another prepared directory.
const INITDB: [&str; 6] = [
    "--username=postgres",
    "--auth=password",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
    // When it is told to end it would remove the data under the server that it has started, which
    // would leave shared memory.
    "--no-clean",
];

/// Packs a data directory that the image's entrypoint has initialised:
/// `sh -c PACK pack ARCHIVE DATA NAME SCRIPT -- entrypoint… command…`.
///
/// Once the server runs, the registry NAME is created by SCRIPT, and the server is stopped as one
/// that has finished its work. The server is the entrypoint itself or a process below it, as under
/// `tini`. One that `pg_ctl` has started is only the entrypoint's own, to initialise the data, and
/// so is one that listens nowhere. A registry that could not be created is created by the first
/// process that finds it missing.
const PACK: &str = r#"
    archive=$1 data=$2 name=$3 script=$4
    shift 5
    belongs() {
        process=$1
        while [ "$process" != "$entrypoint" ]; do
            parent=0
            while read -r key value; do
                case $key$value in
                Name:pg_ctl) return 1 ;;
                PPid:*) parent=$value ;;
                esac
            done <"/proc/$process/status"
            [ "$parent" -gt 1 ] || return 1
            process=$parent
        done
    }
    "$@" &
    entrypoint=$!
    while kill -0 "$entrypoint" 2>/dev/null; do
        sleep 0.1
        server='' listens='' ready=''
        {
            read -r server && read -r _ && read -r _ && read -r _ && read -r _ &&
                read -r listens && read -r _ && read -r ready
        } 2>/dev/null <"$data/postmaster.pid"
        case $ready in ready*) ;; *) continue ;; esac
        [ -n "$listens" ] && belongs "$server" 2>/dev/null || continue
        psql -U postgres -d postgres -qc "CREATE DATABASE $name" &&
            psql -U postgres -d "$name" -qc "$script"
        kill -TERM "$server"
        wait "$entrypoint" && tar -cpf "$archive.new" -C "$data" . && mv "$archive.new" "$archive"
        exit
    done"#;

/// How data directories are prepared in containers.
pub(super) static PREPARED: PreparedData = PreparedData {
    directory: ("PGDATA", "/var/lib/postgresql/data"),
    pack: PACK,
    arguments: &[NAME, SCRIPT],
    mark: "PG_VERSION",
};

/// The data directory of a local server: `data` in the server's directory.
#[derive(Debug)]
pub(super) struct DataDirectory;

impl LocalData for DataDirectory {
    fn prepare(
        &self,
        start: LocalStart,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>>> + Send>> {
        Box::pin(async move {
            // It takes a while, and the thread has other work.
            tokio::task::spawn_blocking(move || fill(&start).map(Some))
                .await
                .unwrap_or_else(
                    |error| Err(Error::new("prepare the data directory").because(error)),
                )
        })
    }

    fn check_version(&self, program: &Path) -> Result<()> {
        version(program).map(drop)
    }
}

/// Creates the data directory. Returns the password of the user `postgres`.
fn fill(start: &LocalStart) -> Result<String> {
    let LocalStart {
        program,
        directory,
        owner,
        cache,
        ..
    } = start;
    let data = directory.join("data");
    let version = version(program)?;
    let key = format!(
        "{version} {} {:?} {INITDB:?} {NAME}",
        program.display(),
        owner.server(),
    );
    let name = format!("postgres-{}", hash::digest(key, 6));
    let cached = cache.path(&name);
    let password = cached.join("password");
    // The password is written last: with it, the cached directory is complete.
    if !password.is_file() {
        let _lock = cache.lock(&name)?;
        if !password.is_file() {
            let password = initialise(start, &data)?;
            // What cannot be cached is made again.
            let _: Result<()> = store(start, &data, &password, &name);
            return Ok(password);
        }
    }
    copy(start, &cached.join("data"), &data)?;
    fs::read_to_string(&password)
        .map(|password| password.trim().to_owned())
        .map_err(|error| failed("read", &password, error))
}

/// Initialises a data directory. Returns its password.
fn initialise(start: &LocalStart, data: &Path) -> Result<String> {
    let password = hash::random()?;
    let password_file = data.with_extension("password");
    private::write(&password_file, &password, &start.owner)?;
    let mut initdb = guarded(&start.config, beside(&start.program, "initdb"));
    initdb
        .args(INITDB)
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(data);
    start.owner.run(&mut initdb);
    let initialised = run("run initdb", &mut initdb, &start.held);
    let _ = fs::remove_file(&password_file);
    initialised?;
    // Checking passwords by MD5 costs the server less than SCRAM, and they travel over loopback.
    let settings = data.join("postgresql.auto.conf");
    fs::write(&settings, "password_encryption = 'md5'\n")
        .map_err(|error| failed("write", &settings, error))?;
    let sql = format!(
        "SET password_encryption = 'md5';\nALTER ROLE postgres PASSWORD '{password}';\nCREATE DATABASE {NAME};\n"
    );
    run_statements(start, data, &sql)?;
    Ok(password)
}

/// Stores a copy of a data directory in the cache, whole or not at all.
fn store(start: &LocalStart, data: &Path, password: &str, name: &str) -> Result<()> {
    let cache: &Cache = &start.cache;
    // Processes that were killed meanwhile may have left something.
    let prefix = format!("{name}.new-");
    for entry in fs::read_dir(cache.directory())
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            private::remove(&entry.path());
        }
    }
    private::remove(&cache.path(name));
    let ours: Owner = start.owner.ours();
    let new = cache.path(&format!("{prefix}{}", hash::random()?));
    private::create(&new, &ours)?;
    let stored = copy(start, data, &new.join("data"))
        .and_then(|()| private::write(&new.join("password"), password, &ours))
        .and_then(|()| {
            fs::rename(&new, cache.path(name)).map_err(|error| failed("rename", &new, error))
        });
    stored.inspect_err(|_| private::remove(&new))
}

/// Copies a data directory as this process's user: the cache may be in a home that the servers'
/// user cannot enter.
fn copy(start: &LocalStart, from: &Path, to: &Path) -> Result<()> {
    let mut copy = guarded(&start.config, "cp");
    copy.arg("-R").arg("-p").arg(from).arg(to);
    run("copy the prepared data directory", &mut copy, &start.held)
}

/// Runs statements, one per line, in a server that has no connections.
fn run_statements(start: &LocalStart, data: &Path, statements: &str) -> Result<()> {
    let script = data.with_extension("sql");
    private::write(&script, statements, &start.owner)?;
    let mut server = guarded(&start.config, "/bin/sh");
    server
        // A server that is told to end before it handles signals would leave shared memory. It
        // ends by itself, so it is not told.
        .args([
            "-c",
            "script=$1; shift; trap '' TERM; exec \"$@\" <\"$script\"",
            "sh",
        ])
        .arg(&script)
        .arg(&start.program)
        .args(["--single", "-F", "-D"])
        .arg(data)
        .arg("postgres");
    start.owner.run(&mut server);
    let done = run("prepare the data directory", &mut server, &start.held);
    let _ = fs::remove_file(&script);
    done
}

/// Returns a program in the same directory.
fn beside(program: &Path, name: &str) -> PathBuf {
    program.with_file_name(name)
}

/// Returns what the program says of its version, unless that is too old.
fn version(program: &Path) -> Result<String> {
    let step = format!("run {}", program.display());
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| Error::new(step.clone()).because(error))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match major(&text) {
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

/// Returns the major version in what `postgres --version` says.
fn major(text: &str) -> Option<u32> {
    let number = text
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let digits = number.split(|digit: char| !digit.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_versions_are_read_from_what_postgres_says() {
        for (text, expected) in [
            (
                "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("something else", None),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }
}
