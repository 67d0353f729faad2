//! Directories that only we can read: for running servers, for prepared data, for locks.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Error, Result, config};

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

/// Where running servers have their directories: in memory if there is room.
pub(super) fn base(owner: &Owner) -> PathBuf {
    let name = format!("container-test-{}", owner.us);
    if let Some(chosen) = config::data_directory() {
        return chosen.join(name);
    }
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() && (memory.join(&name).is_dir() || has_room(memory)) {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    parent.join(name)
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

/// Makes an empty directory for one server, and what is above it. The watchdog of another
/// server may just be removing the directory above, which is then made again.
pub(super) fn make(directory: &Path, owner: &Owner) -> Result<()> {
    remove(directory);
    let parent = directory.parent().unwrap_or(Path::new("/"));
    let mut last = None;
    for _ in 0..50 {
        private(parent, owner)?;
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => return hand_over(directory, owner),
            Err(error) if error.kind() == ErrorKind::NotFound => last = Some(error),
            Err(error) => return Err(failed("make", directory, error)),
        }
    }
    Err(failed(
        "make",
        directory,
        last.unwrap_or_else(|| ErrorKind::NotFound.into()),
    ))
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
        .with_help("remove it, or set CONTAINER_TEST_DATA_DIR to a directory of your own"));
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

/// Writes a file that only we, and the servers' user, can read; whole or not at all.
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

/// Removes a directory and, if it was the last one, the one above it.
pub(super) fn remove(directory: &Path) {
    // Either may be gone already, or be in use by others.
    let _ = fs::remove_dir_all(directory);
    let _ = directory.parent().map(fs::remove_dir);
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
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(3)).await,
            Err(fs::TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
        }
    }
}

pub(super) fn failed(
    verb: &str,
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(format!("{verb} {}", path.display())).because(cause)
}
