//! Runs of this binary: some of its ignored tests, in a process of their own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::engine::Engine;
use container_test_tests::processes;
use tempfile::TempDir;

/// How often is looked whether something has happened.
const POLL: Duration = Duration::from_millis(50);

/// Longest time that a run may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A user of the engine, who shares no container with another user.
pub(crate) struct User {
    engine: Engine,
    name: String,
    directory: TempDir,
}

/// A process that runs tests.
pub(crate) struct Run {
    child: Child,
    output: PathBuf,
}

impl User {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("container-test-user-")
            .tempdir()
            .unwrap();
        fs::create_dir(directory.path().join("reached")).unwrap();
        let name = directory.path().file_name().unwrap();
        Self {
            engine: Engine::connect(),
            name: name.to_str().unwrap().to_owned(),
            directory,
        }
    }

    /// Starts a process that runs these tests, with further variables in its environment.
    pub(crate) fn start(&self, tests: &[&str], variables: &[(&str, &str)]) -> Run {
        let number = fs::read_dir(self.directory.path()).unwrap().count();
        let output = self.directory.path().join(format!("output-{number}"));
        let file = File::create(&output).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture"])
            .args(tests.iter().map(|test| format!("cases::{test}")))
            .env("USER", &self.name)
            .env("REACHED", self.directory.path().join("reached"))
            .env(
                "CONTAINER_TEST_CACHE_DIR",
                self.directory.path().join("cache"),
            )
            .env("CONTAINER_TEST_PROVIDER", "docker")
            .env("RUST_BACKTRACE", "0")
            .env_remove("NEXTEST")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Run { child, output }
    }

    /// Runs these tests; returns whether they have passed, and what they have written.
    pub(crate) fn run(&self, tests: &[&str]) -> (bool, String) {
        self.start(tests, &[]).finish()
    }

    /// Waits until so many bodies are reached; returns how many containers they had.
    pub(crate) fn wait_for_bodies(&self, count: usize) -> usize {
        let mut names = Vec::new();
        wait("the bodies are reached", LONGEST, || {
            let found = fs::read_dir(self.directory.path().join("reached")).unwrap();
            names = found
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            (names.len() >= count)
                .then_some(())
                .ok_or_else(|| format!("{names:?}"))
        });
        let containers = names.iter().map(|name| name.rsplit_once('-').unwrap().1);
        containers.collect::<BTreeSet<_>>().len()
    }

    /// Waits until the engine has done this to a container of the user.
    pub(crate) fn wait_for(&self, action: &str) {
        wait(action, LONGEST, || {
            let happened = self.engine.has_happened(&self.name, action);
            happened.then_some(()).ok_or_else(String::new)
        });
    }

    /// Returns how many containers were created for the user.
    pub(crate) fn created(&self) -> usize {
        // Events come a moment later.
        sleep(POLL * 4);
        self.engine.created(&self.name).values().sum()
    }

    /// Returns what the user has on the engine: containers, volumes and processes.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = self.engine.left(&self.name);
        let containers = self.engine.containers(&self.name);
        let processes = processes::in_containers(&containers);
        left.extend(processes.iter().map(|process| process.command.clone()));
        left
    }

    /// Waits until the user has nothing left.
    pub(crate) fn gone_within(&self, limit: Duration) {
        wait("everything is gone", limit, || match self.left() {
            left if left.is_empty() => Ok(()),
            left => Err(left.join("\n")),
        });
    }
}

impl Run {
    /// Kills the process.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for the end; returns whether the tests have passed, and what they have written.
    pub(crate) fn finish(mut self) -> (bool, String) {
        let mut passed = false;
        wait("the run has ended", LONGEST, || {
            match self.child.try_wait().unwrap() {
                Some(status) => {
                    passed = status.success();
                    Ok(())
                }
                None => Err(fs::read_to_string(&self.output).unwrap()),
            }
        });
        (passed, fs::read_to_string(&self.output).unwrap())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended, unless the test that started it has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(what: &str, limit: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let since = Instant::now();
    while let Err(seen) = look() {
        assert!(
            since.elapsed() < limit,
            "after {limit:?}, not: {what}\n{seen}"
        );
        sleep(POLL);
    }
}
