//! Failures that another try would not mend: the tests that come next fail at once.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::owner::Owner;
use crate::Error;
use crate::config::Config;
use crate::error::Report;
use crate::hash::short;

/// How names of files begin that hold a failure.
const PREFIX: &str = "failed-";

/// Where something has failed whose test is not known.
pub(crate) const ELSEWHERE: &str = "another process of this run";

/// How old a file becomes that no run reads any more.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// The failures of this process, by what was asked for. Where every test is a process, those of
/// the whole test run can be shared: a run has a number of its own, so a later run tries again.
#[derive(Debug)]
pub(crate) struct Failures {
    of_process: Mutex<HashMap<String, Failure>>,
    config: Arc<Config>,
}

/// A failure, and the test that it happened in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Failure {
    /// The number of the test run, if it has one.
    run: Option<String>,
    test: String,
    report: Report,
}

impl Failures {
    /// Returns the failures of a process in which nothing has failed yet.
    pub(crate) fn new(config: &Arc<Config>) -> Self {
        Self {
            of_process: Mutex::default(),
            config: Arc::clone(config),
        }
    }

    /// Returns the failure of what the key stands for, if this process has seen it.
    pub(crate) fn recall(&self, key: &str) -> Option<Error> {
        self.failures().get(key).map(Failure::again)
    }

    /// Stores a failure, if another try would fail as well.
    pub(crate) fn remember(&self, key: &str, test: &str, error: &Error) {
        if error.is_lasting() {
            let failure = self.failure(test, error);
            self.failures().entry(key.to_owned()).or_insert(failure);
        }
    }

    /// Returns the failure of what the key stands for, if this process has seen it, or another
    /// process of the same test run.
    pub(crate) fn recall_in_run(&self, key: &str) -> Option<Error> {
        self.recall(key).or_else(|| {
            let failure = self.cache_of_run()?.read(&file_of(key))?;
            let failure: Failure = serde_json::from_str(&failure).ok()?;
            (failure.run.as_deref() == self.config.test_run()).then(|| failure.again())
        })
    }

    /// Stores a failure for all processes of the test run, if another try would fail as well.
    pub(crate) fn remember_in_run(&self, key: &str, test: &str, error: &Error) {
        self.remember(key, test, error);
        if error.is_lasting()
            && let Some(cache) = self.cache_of_run()
            && let Ok(text) = serde_json::to_string(&self.failure(test, error))
        {
            remove_old(&cache);
            // Without it, the next process tries as well.
            let _ = cache.write(&file_of(key), &text);
        }
    }

    /// Returns where the processes of a test run leave their failures for each other.
    fn cache_of_run(&self) -> Option<Cache> {
        self.config.test_run()?;
        let owner = Owner::of_process(&self.config).ok()?;
        Cache::open(&self.config, &owner).ok()
    }

    fn failure(&self, test: &str, error: &Error) -> Failure {
        Failure {
            run: self.config.test_run().map(str::to_owned),
            test: test.to_owned(),
            report: error.words(),
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<String, Failure>> {
        self.of_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    /// Returns the error, as the next test gets it.
    fn again(&self) -> Error {
        Error::from(self.report.clone()).note(format!(
            "it failed before, in {}, and was not tried again",
            self.test
        ))
    }
}

fn file_of(key: &str) -> String {
    let mut hash = DefaultHasher::new();
    key.hash(&mut hash);
    format!("{PREFIX}{}", short(&hash))
}

/// Removes files of runs that have ended long ago.
fn remove_old(cache: &Cache) {
    for entry in fs::read_dir(cache.directory())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if name.to_string_lossy().starts_with(PREFIX) && age.is_some_and(|age| age > LIFE) {
            cache.remove(&name.to_string_lossy());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const BROKEN: &str = "failed to apply the migration 1.sql\n  note: the words of the server";

    fn broken() -> Error {
        Error::new("apply the migration 1.sql").note("the words of the server")
    }

    fn failures(variables: &[(&str, &str)]) -> Failures {
        Failures::new(&Arc::new(Config::with(variables)))
    }

    fn in_run(run: &str, directory: &TempDir) -> Failures {
        let cache = directory.path().to_str().unwrap();
        failures(&[("NEXTEST_RUN_ID", run), ("CONTAINER_TEST_CACHE_DIR", cache)])
    }

    #[test]
    fn what_would_fail_again_is_reported_again_with_the_test_that_it_failed_in() {
        let failures = failures(&[]);
        assert!(failures.recall("a").is_none());
        failures.remember("a", "shop::first", &broken().lasting());
        failures.remember("a", "shop::second", &broken().lasting());
        assert_eq!(
            failures.recall("a").unwrap().report(),
            format!("{BROKEN}\n  note: it failed before, in shop::first, and was not tried again")
        );
        assert!(failures.recall("b").is_none());
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let failures = failures(&[]);
        failures.remember("a", "shop::first", &broken());
        assert!(failures.recall("a").is_none());
        let wrapped = Error::new("set up").because(broken().lasting());
        failures.remember("a", "shop::first", &wrapped);
        assert!(failures.recall("a").is_some(), "a cause decides as well");
    }

    #[test]
    fn processes_of_one_run_share_failures_and_later_runs_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let first = in_run("run-1", &directory);
        first.remember_in_run("a", "shop::first", &broken().lasting());
        let same_run = in_run("run-1", &directory);
        let again = same_run.recall_in_run("a").unwrap();
        assert!(again.report().starts_with(BROKEN));
        assert!(same_run.recall_in_run("b").is_none());
        let later = in_run("run-2", &directory);
        assert!(later.recall_in_run("a").is_none());
        let cache = directory.path().to_str().unwrap();
        let without = failures(&[("CONTAINER_TEST_CACHE_DIR", cache)]);
        assert!(without.recall_in_run("a").is_none());
    }

    #[test]
    fn files_of_old_runs_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let first = in_run("run-1", &directory);
        first.remember_in_run("a", "test", &broken().lasting());
        let cache = first.cache_of_run().unwrap();
        let file = fs::File::options()
            .append(true)
            .open(cache.path(&file_of("a")));
        let old = std::time::SystemTime::now() - 2 * LIFE;
        file.unwrap().set_modified(old).unwrap();
        in_run("run-2", &directory).remember_in_run("b", "test", &broken().lasting());
        assert_eq!(cache.read(&file_of("a")), None);
        assert!(cache.read(&file_of("b")).is_some());
    }
}
