//! The user's cache directory: small files by name, prepared data, and locks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::owner::Owner;
use super::private::{self, failed};
use crate::Result;
use crate::config::Config;

/// How often a lock that another process holds is tried again.
const POLL: Duration = Duration::from_millis(3);

/// A directory that stays after the tests. What is missing from it is made again, so its content
/// may be removed at any time.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    owner: Owner,
}

impl Cache {
    /// Returns the user's cache directory. Without a home, or with one that cannot be written to,
    /// it is in the temporary directory.
    pub(crate) fn open(config: &Config, owner: &Owner) -> Result<Self> {
        let owner = owner.ours();
        if let Some(directory) = config.cache_directory()
            && private::ensure(&directory, &owner).is_ok()
            && File::create(directory.join(".writable")).is_ok()
        {
            return Ok(Self { directory, owner });
        }
        // The name differs from those of servers' directories, which are swept.
        let name = format!("cache-of-container-test-{}", owner.process());
        let directory = config.temporary.join(name);
        private::ensure(&directory, &owner).map_err(|error| {
            error.with_help("remove it, or set CONTAINER_TEST_CACHE_DIR to a directory of your own")
        })?;
        Ok(Self { directory, owner })
    }

    /// Returns the directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path that an entry of this name has.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns the text of a file.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Writes a file for this user alone, in place of one of the same name.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        private::write(&self.path(name), text, &self.owner)
    }

    /// Writes a file unless there is one; returns its text, which is the same in all processes.
    pub(crate) fn write_first(&self, name: &str, text: &str) -> Result<String> {
        let _lock = self.lock(name)?;
        if let Some(first) = self.read(name) {
            return Ok(first);
        }
        self.write(name, text)?;
        Ok(text.to_owned())
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) {
        // Another process may have removed it.
        let _ = fs::remove_file(self.path(name));
    }

    /// Blocks until this process has the lock of this name, as one of all the user's processes. It
    /// is released when the value is dropped, or when the process ends in any way.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let (file, path) = self.lock_file(name)?;
        file.lock().map_err(|error| failed("lock", &path, error))?;
        Ok(file)
    }

    /// Waits for the same lock without blocking the thread.
    pub(crate) async fn lock_async(&self, name: &str) -> Result<File> {
        let (file, path) = self.lock_file(name)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
            }
        }
    }

    fn lock_file(&self, name: &str) -> Result<(File, PathBuf)> {
        let path = self.path(&format!("{name}.lock"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", &path, error))?;
        Ok((file, path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn cache(directory: &Path) -> Cache {
        let directory = directory.join("cache");
        let config = Config::with(&[("CONTAINER_TEST_CACHE_DIR", directory.to_str().unwrap())]);
        let owner = Owner::of_process(&config).unwrap();
        Cache::open(&config, &owner).unwrap()
    }

    #[test]
    fn the_first_text_stays() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path());
        let start = Barrier::new(8);
        let texts: Vec<String> = thread::scope(|scope| {
            let write = |number: usize| {
                let (start, cache) = (&start, &cache);
                scope.spawn(move || {
                    start.wait();
                    cache.write_first("name", &number.to_string()).unwrap()
                })
            };
            let threads: Vec<_> = (0..8).map(write).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        cache.remove("name");
        assert_eq!(cache.read("name"), None);
    }

    #[test]
    fn without_a_home_the_cache_is_in_the_temporary_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::with(&[("HOME", "/proc/nonexistent")]);
        config.temporary = directory.path().to_owned();
        let owner = Owner::of_process(&config).unwrap();
        let cache = Cache::open(&config, &owner).unwrap();
        assert!(cache.directory().starts_with(directory.path()));
        let name = cache.directory().file_name().unwrap().to_str().unwrap();
        assert!(!name.starts_with("container-test-"), "{name}");
    }

    #[tokio::test]
    async fn a_lock_is_held_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path());
        let first = cache.lock_async("name").await.unwrap();
        let second = cache.lock_async("name");
        let waited = tokio::time::timeout(POLL * 10, second).await;
        assert!(waited.is_err());
        drop(first);
        cache.lock("name").unwrap();
    }
}
