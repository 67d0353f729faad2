//! Prepared data directories of PostgreSQL: `initdb` runs once per program and settings, and
//! every server starts from a copy.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::super::{hex, random};
use super::directory::{self, Owner, failed};
use super::programs::Programs;
use crate::{Error, Result};

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

/// Puts a data directory at `data`; gives the password of the user `postgres`.
pub(super) async fn prepare(programs: &Programs, owner: &Owner, data: &Path) -> Result<String> {
    let version = version(programs)?;
    let key = Sha256::digest(format!(
        "{version} {} {INITDB:?} {} {}",
        programs.server().display(),
        owner.other.is_some(),
        crate::provision::postgres::REGISTRY
    ));
    let name = format!("postgres-{}", hex(&key[..6]));
    let cached = directory::cache(owner)?.join(&name);
    if !cached.join("password").is_file() {
        let _alone = directory::lock(&name).await?;
        if !cached.join("password").is_file() {
            make(programs, owner, &cached, data)?;
        }
    }
    // As whom we are: the cache may be in a home that the servers' user cannot enter.
    let mut copy = Command::new("cp");
    copy.arg("-R").arg("-p").arg(cached.join("data")).arg(data);
    finished(
        "copy the prepared data directory",
        copy.stdin(Stdio::null()).output(),
    )?;
    fs::read_to_string(cached.join("password"))
        .map(|password| password.trim().to_owned())
        .map_err(|error| failed("read", &cached.join("password"), error))
}

/// Makes the prepared directory; the password file, written last, marks it as finished. It is
/// made where the server's will be, as its user, and then moved to the cache.
fn make(programs: &Programs, owner: &Owner, cached: &Path, data: &Path) -> Result<()> {
    let password = random()?;
    let password_file = data.with_extension("password");
    directory::write_private(&password_file, &password, owner)?;
    let mut initdb = Command::new(programs.beside("initdb"));
    initdb
        .args(INITDB)
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(data);
    // Checking passwords by MD5 costs the server less than SCRAM, and they travel over loopback.
    initdb.env("LC_ALL", "C.UTF-8");
    as_owner(&mut initdb, owner);
    let made = finished("run initdb", initdb.output());
    let _ = fs::remove_file(&password_file);
    made?;
    let settings = data.join("postgresql.auto.conf");
    fs::write(&settings, "password_encryption = 'md5'\n")
        .map_err(|error| failed("write", &settings, error))?;
    let sql = format!(
        "SET password_encryption = 'md5';\nALTER ROLE postgres PASSWORD '{password}';\nCREATE DATABASE {};\n",
        crate::provision::postgres::REGISTRY
    );
    single_user(programs, owner, data, &sql)?;

    // A maker that was killed may have left something.
    let _ = fs::remove_dir_all(cached);
    directory::private(cached, &owner.clone().ours())?;
    let mut copy = Command::new("cp");
    copy.arg("-R").arg("-p").arg(data).arg(cached.join("data"));
    finished(
        "keep the prepared data directory",
        copy.stdin(Stdio::null()).output(),
    )?;
    directory::write_private(&cached.join("password"), &password, &owner.clone().ours())?;
    fs::remove_dir_all(data).map_err(|error| failed("remove", data, error))
}

/// Runs statements, a line each, in a server of their own without any connection.
fn single_user(programs: &Programs, owner: &Owner, data: &Path, statements: &str) -> Result<()> {
    let script = data.with_extension("sql");
    directory::write_private(&script, statements, owner)?;
    let input = fs::File::open(&script).map_err(|error| failed("open", &script, error))?;
    let mut server = Command::new(programs.server());
    server
        .args(["--single", "-F", "-D"])
        .arg(data)
        .arg("postgres")
        .current_dir("/");
    as_owner(&mut server, owner);
    let done = finished("prepare the data directory", server.stdin(input).output());
    let _ = fs::remove_file(&script);
    done
}

fn as_owner(command: &mut Command, owner: &Owner) {
    command
        .stdin(Stdio::null())
        .current_dir("/")
        .process_group(0);
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

fn finished(step: &str, output: std::io::Result<Output>) -> Result<()> {
    let output = output.map_err(|error| Error::new(step).because(error))?;
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
    if said.contains("No space left") {
        error = error.with_help(
            "make room, or set CONTAINER_TEST_DATA_DIR to a directory with room for 512 MiB",
        );
    }
    Err(error)
}
