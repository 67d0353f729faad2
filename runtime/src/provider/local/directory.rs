//! Directories that only we can read: for running servers, for prepared data, for locks.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Error, Result, config};

/// Where directories are in memory.
const MEMORY: &str = "/dev/shm";

/// Room that a server's data needs, in KiB.
const ROOM: u64 = 512 * 1024;

/// Whom server processes run as.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// We ourselves.
    us: u32,
    /// Somebody else, if we are root: PostgreSQL refuses to run as root.
    pub(super) other: Option<(u32, u32)>,
}

impl Owner {
    /// We ourselves, whoever the servers run as.
    pub(super) fn ours(self) -> Self {
        Self {
            other: None,
            ..self
        }
    }

    fn id(&self) -> u32 {
        self.other.map_or(self.us, |(user, _)| user)
    }
}

/// Whom server processes run as: we, or if we are root the user `postgres`, else `nobody`.
pub(super) fn owner() -> Result<Owner> {
    let us = our_id()?;
    if us != 0 {
        return Ok(Owner { us, other: None });
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields[0] == name)?
            .into_iter();
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    match ids("postgres").or_else(|| ids("nobody")) {
        Some(other) => Ok(Owner { us, other: Some(other) }),
        None => Err(Error::new("find a user for local servers")
            .because("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`")
            .with_help("run the tests as an ordinary user, or add one of these users")),
    }
}

/// Our user id: that of what we make.
fn our_id() -> Result<u32> {
    if let Ok(us) = fs::metadata("/proc/self") {
        return Ok(us.uid());
    }
    let probe =
        std::env::temp_dir().join(format!("container-test-probe-{}", super::super::random()?));
    let made = File::create_new(&probe).and_then(|file| file.metadata());
    let removed = fs::remove_file(&probe);
    let id = made.map(|metadata| metadata.uid());
    removed
        .and(id)
        .map_err(|error| Error::new("find out our user id").because(error))
}

/// Where running servers may have their directories.
fn places() -> Vec<PathBuf> {
    match config::data_directory() {
        Some(chosen) => vec![chosen],
        None => vec![MEMORY.into(), std::env::temp_dir()],
    }
}

/// The directories of servers of this name, ours all of them.
pub(super) fn find(name: &str, owner: &Owner) -> Vec<PathBuf> {
    let prefix = format!("{name}.");
    entries(&prefix)
        .filter(|path| is_ours(path, owner))
        .collect()
}

/// What is called so in the places of running servers.
fn entries(prefix: &str) -> impl Iterator<Item = PathBuf> {
    places()
        .into_iter()
        .filter_map(|place| fs::read_dir(place).ok())
        .flatten()
        .flatten()
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
}

/// Whether it is a directory that nobody but us, or the servers' user, can have made.
fn is_ours(directory: &Path, owner: &Owner) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| {
        found.is_dir()
            && (found.uid() == owner.us || found.uid() == owner.id())
            && found.mode().trailing_zeros() >= 6
    })
}

/// Where the directory of one start of the server of this name will be. No two starts share one:
/// the watchdog of the server before removes its own at a moment of its own.
pub(super) fn choose(name: &str, owner: &Owner) -> Result<PathBuf> {
    let place = match config::data_directory() {
        Some(chosen) => {
            if !chosen.exists() {
                fs::create_dir_all(&chosen).map_err(|error| failed_data("make", &chosen, error))?;
            }
            chosen
        }
        None if has_room(Path::new(MEMORY)) => MEMORY.into(),
        None => std::env::temp_dir(),
    };
    check(&place, owner)?;
    Ok(place.join(format!("{name}.{}", &super::super::random()?[..8])))
}

/// Makes the empty directory.
pub(super) fn make(directory: &Path, owner: &Owner) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed_data("make", directory, error))?;
    hand_over(directory, owner)
}

/// Refuses a place in which others could put something else under the name of what we make, or
/// which the servers' user cannot enter.
fn check(place: &Path, owner: &Owner) -> Result<()> {
    let refuse = |cause: String| Err(failed_data("use", place, cause));
    let whole = fs::canonicalize(place).map_err(|error| failed_data("look at", place, error))?;
    for (depth, directory) in whole.ancestors().enumerate() {
        let found =
            fs::metadata(directory).map_err(|error| failed_data("look at", directory, error))?;
        let all = found.mode();
        if depth == 0 {
            if !found.is_dir() {
                return refuse("it is not a directory".to_owned());
            }
            if ![0, owner.us, owner.id()].contains(&found.uid()) {
                return refuse("it belongs to somebody else".to_owned());
            }
            if all & 0o022 != 0 && all & 0o1000 == 0 {
                return refuse("others can write to it".to_owned());
            }
        }
        if let Some((user, group)) = owner.other {
            let may_enter = (all & 0o001 != 0)
                || (found.gid() == group && all & 0o010 != 0)
                || (found.uid() == user && all & 0o100 != 0);
            if !may_enter {
                return refuse(format!(
                    "servers run as the user with the number {user}, which cannot enter {}",
                    directory.display()
                ));
            }
        }
    }
    Ok(())
}

/// What is younger may be about to start.
const YOUNG: Duration = Duration::from_secs(60);

/// Removes directories whose server is gone but could not remove them: its watchdog was killed,
/// or the machine went down. A server holds a lock on its log for as long as it runs.
pub(super) fn sweep(owner: &Owner) {
    let is_old = |directory: &Path| {
        let modified = fs::metadata(directory).and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age > YOUNG)
    };
    let is_held = |directory: &Path| match File::open(directory.join("log")) {
        Ok(log) => log.try_lock().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    for directory in entries("container-test-") {
        if is_ours(&directory, owner) && is_old(&directory) && !is_held(&directory) {
            remove(&directory);
        }
    }
}

/// Whether there is room for one more server.
fn has_room(directory: &Path) -> bool {
    let output = Command::new("df")
        .arg("-Pk")
        .arg(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let available = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    available.is_some_and(|kibibytes| kibibytes >= ROOM)
}

/// Makes sure of a directory that nobody else can use. In a shared temporary directory somebody
/// else may have put something of that name there: it is refused.
pub(super) fn private(directory: &Path, owner: &Owner) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => hand_over(directory, owner)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(directory.parent().unwrap_or(Path::new("/")))
                .map_err(|error| failed("make", directory, error))?;
            return private(directory, owner);
        }
        Err(error) => return Err(failed("make", directory, error)),
    }
    let found =
        fs::symlink_metadata(directory).map_err(|error| failed("look at", directory, error))?;
    let ours = |found: &Metadata| found.uid() == owner.us || found.uid() == owner.id();
    if !found.is_dir() || !ours(&found) || found.mode() & 0o022 != 0 {
        return Err(failed(
            "use",
            directory,
            "it is not a directory that only we can write to",
        )
        .with_help("remove it, or set CONTAINER_TEST_CACHE_DIR to a directory of your own"));
    }
    Ok(())
}

/// Gives a directory or file of ours to the servers' user.
fn hand_over(path: &Path, owner: &Owner) -> Result<()> {
    match owner.other {
        Some((user, group)) => {
            chown(path, Some(user), Some(group)).map_err(|error| failed("hand over", path, error))
        }
        None => Ok(()),
    }
}

/// Writes a file that only we, and the servers' user, can read; whole or not at all, unless somebody
/// else writes it at the same time: that takes a lock.
pub(super) fn write_private(path: &Path, text: &str, owner: &Owner) -> Result<()> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o600))
    };
    write().map_err(|error| failed("write", path, error))?;
    hand_over(&new, owner)?;
    fs::rename(&new, path).map_err(|error| failed("write", path, error))
}

/// Removes a directory.
pub(super) fn remove(directory: &Path) {
    // It may be gone already.
    let _ = fs::remove_dir_all(directory);
}

/// Where prepared data directories and locks are kept: it stays.
pub(super) fn cache(owner: &Owner) -> Result<PathBuf> {
    if let Some(directory) = config::cache_directory()
        && private(&directory, &owner.clone().ours()).is_ok()
        && File::create(directory.join(".writable")).is_ok()
    {
        return Ok(directory);
    }
    // No home, or a read-only one.
    let directory = std::env::temp_dir().join(format!("container-test-cache-{}", owner.us));
    private(&directory, &owner.clone().ours())?;
    Ok(directory)
}

/// Waits for a lock among all our processes; it is let go when the file is dropped, or when the
/// process ends in whatever way.
pub(super) async fn lock(name: &str) -> Result<File> {
    let (file, path) = lock_file(name)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(3)).await,
            Err(fs::TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
        }
    }
}

/// The same where nobody else needs the thread.
pub(super) fn lock_now(name: &str) -> Result<File> {
    let (file, path) = lock_file(name)?;
    match file.lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(failed("lock", &path, error)),
    }
}

fn lock_file(name: &str) -> Result<(File, PathBuf)> {
    let directory = cache(&Owner {
        us: our_id()?,
        other: None,
    })?;
    let path = directory.join(format!("{name}.lock"));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    Ok((file, path))
}

pub(super) fn failed(
    verb: &str,
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(format!("{verb} {}", path.display())).because(cause)
}

/// The same for what is in the place of running servers.
fn failed_data(
    verb: &str,
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    failed(verb, path, cause).with_help("set CONTAINER_TEST_DATA_DIR to a directory of your own")
}
