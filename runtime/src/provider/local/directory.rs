//! The directories of running servers.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::log::LocalLog;
use crate::config::Config;
use crate::lifecycle::{Owner, free, private};
use crate::service::BoxError;
use crate::{Error, Result, hash};

/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// Space that a server's data need, in bytes.
pub(super) const ROOM: u64 = 512 << 20;

/// How the names of servers' directories begin.
const PREFIX: &str = "container-test-";

/// The file that every server's directory has from the beginning: without it, a directory is not
/// one of a server, whatever its name.
const MARK: &str = ".container-test-server";

/// A directory that is younger may be that of a server which is about to start.
const YOUNG: Duration = Duration::from_secs(60);

/// Returns the directories of servers of this name that no other user can have made.
pub(super) fn find(config: &Config, name: &str, owner: &Owner) -> Vec<PathBuf> {
    let prefix = format!("{name}.");
    entries(&roots(config), &prefix)
        .filter(|directory| is_servers(directory, owner))
        .collect()
}

/// Returns the directories of all servers that no other user than these can have made.
pub(super) fn all(config: &Config, owners: &[Owner]) -> Vec<PathBuf> {
    entries(&roots(config), PREFIX)
        .filter(|directory| owners.iter().any(|owner| is_servers(directory, owner)))
        .collect()
}

/// Returns the service of the server that has a directory of this name: the service, hashes of the
/// server's spec and of its programs, and what is random.
pub(super) fn service(name: &str) -> Option<&str> {
    let (server, _) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let mut parts = server.rsplitn(3, '-');
    parts.nth(2)
}

/// Returns a path for the directory of one start of the server of this name. No two starts share
/// one: the watchdog of the server before removes its own at any moment.
pub(super) fn choose(config: &Config, name: &str, owner: &Owner) -> Result<PathBuf> {
    let root = root(config);
    if config.data_directory().is_some() && !root.exists() {
        fs::create_dir_all(&root).map_err(|error| failed("create", &root, error))?;
    }
    check(&root, owner)?;
    Ok(root.join(format!("{name}.{}", &hash::random()?[..8])))
}

/// Creates a server's directory.
pub(super) fn create(directory: &Path, owner: &Owner) -> Result<()> {
    let created = private::create(directory, &owner.ours())
        .and_then(|()| private::write(&directory.join(MARK), "", owner))
        .and_then(|()| private::hand_over(directory, owner));
    created.map_err(with_help)
}

/// Removes directories whose server has ended but could not remove them: its watchdog was killed,
/// or the machine went down.
pub(super) fn sweep(config: &Config, owner: &Owner) {
    sweep_in(&roots(config), owner, YOUNG);
}

/// Returns the directories that the next start of a server of one of these owners removes.
pub(super) fn left(config: &Config, owners: &[Owner]) -> Vec<PathBuf> {
    let mut left = all(config, owners);
    left.retain(|directory| is_left(directory, YOUNG));
    left
}

/// Returns whether the server that has this directory runs: it holds a lock on its log.
pub(super) fn is_held(directory: &Path) -> bool {
    match File::open(LocalLog::in_directory(directory).path()) {
        Ok(log) => log.try_lock().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

fn sweep_in(roots: &[PathBuf], owner: &Owner, young: Duration) {
    for directory in entries(roots, PREFIX) {
        if is_servers(&directory, owner) && is_left(&directory, young) {
            private::remove(&directory);
        }
    }
}

/// Returns whether the server of a directory has ended. One that is young may be about to start.
fn is_left(directory: &Path, young: Duration) -> bool {
    let modified = fs::metadata(directory).and_then(|found| found.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age >= young) && !is_held(directory)
}

/// Returns where the next server has its directory.
pub(super) fn root(config: &Config) -> PathBuf {
    match config.data_directory() {
        Some(chosen) => chosen,
        None if has_room(Path::new(MEMORY)) => MEMORY.into(),
        None => config.temporary.clone(),
    }
}

/// Returns where running servers may have their directories.
pub(super) fn roots(config: &Config) -> Vec<PathBuf> {
    match config.data_directory() {
        Some(chosen) => vec![chosen],
        None => vec![MEMORY.into(), config.temporary.clone()],
    }
}

/// Returns what is in the roots under names that begin so.
fn entries(roots: &[PathBuf], prefix: &str) -> impl Iterator<Item = PathBuf> {
    roots
        .iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flatten()
        .flatten()
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
}

/// Returns whether a directory is marked as a server's, and only this process's user or the
/// servers' can have created it.
fn is_servers(directory: &Path, owner: &Owner) -> bool {
    let private = fs::symlink_metadata(directory).is_ok_and(|found| {
        found.is_dir() && owner.owns(&found) && found.mode().trailing_zeros() >= 6
    });
    private && fs::symlink_metadata(directory.join(MARK)).is_ok_and(|mark| mark.is_file())
}

/// Refuses a root in which other users could replace a server's directory, or which the servers'
/// user cannot enter.
fn check(root: &Path, owner: &Owner) -> Result<()> {
    let refuse = |cause: String| Err(failed("use", root, cause));
    let whole = fs::canonicalize(root).map_err(|error| failed("look at", root, error))?;
    for (depth, directory) in whole.ancestors().enumerate() {
        let found = fs::metadata(directory).map_err(|error| failed("look at", directory, error))?;
        let mode = found.mode();
        if depth == 0 {
            if !found.is_dir() {
                return refuse("it is not a directory".to_owned());
            }
            if found.uid() != 0 && !owner.owns(&found) {
                return refuse("it belongs to another user".to_owned());
            }
            if mode & 0o022 != 0 && mode & 0o1000 == 0 {
                return refuse("others can write to it".to_owned());
            }
        }
        if let Some((user, group)) = owner.server() {
            let may_enter = (mode & 0o001 != 0)
                || (found.gid() == group && mode & 0o010 != 0)
                || (found.uid() == user && mode & 0o100 != 0);
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

/// Returns whether there is room for one more server.
fn has_room(directory: &Path) -> bool {
    free(directory).is_some_and(|free| free >= ROOM)
}

fn failed(verb: &str, path: &Path, cause: impl Into<BoxError>) -> Error {
    with_help(private::failed(verb, path, cause))
}

fn with_help(error: Error) -> Error {
    error.with_help("set CONTAINER_TEST_DATA_DIR to a directory of your own")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn a_directory_tells_its_service() {
        for (name, expected) in [
            ("container-test-nats-0123ab-4567.89ab", Some("nats")),
            ("container-test-mail-hog-0123ab-4567.89ab", Some("mail-hog")),
            ("container-test-nats-0123ab-4567", None),
            ("container-test-nats.89ab", None),
        ] {
            assert_eq!(service(name), expected, "{name}");
        }
    }

    #[test]
    fn only_directories_that_carry_the_mark_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let config = Config::with(&[]);
        let owner = Owner::of_process(&config).unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["gone", "runs", "young"] {
            create(&path(&format!("container-test-nats-{name}")), &owner).unwrap();
        }
        for name in ["container-test-of-another-tool", "nats"] {
            private::create(&path(name), &owner).unwrap();
        }
        let log = File::create(path("container-test-nats-runs/log")).unwrap();
        log.lock().unwrap();
        sweep_in(&[root.path().to_owned()], &owner, YOUNG);
        assert!(path("container-test-nats-gone").exists(), "it is young");

        sweep_in(&[root.path().to_owned()], &owner, Duration::ZERO);
        let mut left: Vec<_> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "container-test-nats-runs",
                "container-test-of-another-tool",
                "nats"
            ]
        );
    }
}
