//! Directories and files that only this user, and the user that servers run as, can read.

use std::error::Error as StdError;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::owner::Owner;
use crate::{Error, Result, hash};

/// Creates a new, empty directory for the owner.
pub(crate) fn create(directory: &Path, owner: &Owner) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed("create", directory, error))?;
    hand_over(directory, owner)
}

/// Makes sure that a directory exists which no other user can write to. In a shared temporary
/// directory another user may have created one of that name: it is refused.
pub(crate) fn ensure(directory: &Path, owner: &Owner) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => hand_over(directory, owner)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = directory.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
            return ensure(directory, owner);
        }
        Err(error) => return Err(failed("create", directory, error)),
    }
    let found =
        fs::symlink_metadata(directory).map_err(|error| failed("look at", directory, error))?;
    if found.is_dir() && owner.owns(&found) && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let cause = "it is not a directory that only this user can write to";
    Err(failed("use", directory, cause))
}

/// Writes a file for the owner. A reader finds the whole text or the file as it was before, also
/// while several processes write it.
pub(crate) fn write(path: &Path, text: &str, owner: &Owner) -> Result<()> {
    let new = beside(path, &hash::random()?[..8]);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o600))
    };
    let written = write()
        .map_err(|error| failed("write", path, error))
        .and_then(|()| hand_over(&new, owner))
        .and_then(|()| fs::rename(&new, path).map_err(|error| failed("write", path, error)));
    written.inspect_err(|_| {
        // It may not exist.
        let _ = fs::remove_file(&new);
    })
}

/// Gives a directory or file of this process to the owner.
pub(crate) fn hand_over(path: &Path, owner: &Owner) -> Result<()> {
    match owner.server() {
        Some((user, group)) => {
            chown(path, Some(user), Some(group)).map_err(|error| failed("hand over", path, error))
        }
        None => Ok(()),
    }
}

/// Removes a directory with all that is in it.
pub(crate) fn remove(directory: &Path) {
    // Another process may have removed it.
    let _ = fs::remove_dir_all(directory);
}

/// Returns an error about a file or directory.
pub(crate) fn failed(
    verb: &str,
    path: &Path,
    cause: impl Into<Box<dyn StdError + Send + Sync>>,
) -> Error {
    Error::new(format!("{verb} {}", path.display())).because(cause)
}

/// Returns the path of a file that becomes `path` once it is written.
fn beside(path: &Path, unique: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{unique}.new"));
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;
    use crate::config::Config;

    fn ours() -> Owner {
        Owner::of_process(&Config::with(&[])).unwrap()
    }

    #[test]
    fn written_files_are_for_their_owner_alone_and_leave_no_other_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.conf");
        for text in ["one", "two"] {
            write(&path, text, &ours()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/b");
        ensure(&directory, &ours()).unwrap();
        ensure(&directory, &ours()).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        ensure(&directory, &ours()).unwrap_err();
    }
}
