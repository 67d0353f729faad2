//! A checkout of the crate, and the runs in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread::sleep;

use container_test_tests::binaries::compile;
use container_test_tests::project::Project;
use tempfile::TempDir;

use crate::plan::{Event, Planned};
use crate::run::{self, Ended};

/// What all runs have in their environment.
pub(crate) struct Environment {
    user: String,
    temporary: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Environment {
    /// Has all runs find the same servers, which no process outside of them finds.
    pub(crate) fn new(directory: &TempDir) -> Self {
        let name = directory.path().file_name().unwrap();
        let environment = Self {
            user: format!("soak{}", name.to_string_lossy()),
            temporary: directory.path().join("tmp"),
            variables: Vec::new(),
        };
        let cache = directory.path().join("cache").display().to_string();
        environment.with("CONTAINER_TEST_CACHE_DIR", &cache)
    }

    /// Adds a variable.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The user that servers are for.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The directory for temporary files.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }
}

/// A checkout with its test binary.
pub(crate) struct Checkout<'a> {
    project: &'a Project,
    directory: PathBuf,
    features: &'static [&'static str],
    binary: PathBuf,
}

impl<'a> Checkout<'a> {
    pub(crate) fn compile(
        project: &'a Project,
        directory: PathBuf,
        features: &'static [&'static str],
    ) -> Self {
        let mut test = project.cargo_in(&directory, &["test"]);
        let [binary] = compile(test.args(features), ["markers"]);
        Self {
            project,
            directory,
            features,
            binary,
        }
    }

    /// Carries out planned runs, one after another, until there are no more.
    pub(crate) fn carry_out(
        &self,
        plan: &Mutex<impl Iterator<Item = Planned>>,
        environment: &Environment,
    ) -> Figures {
        let mut figures = Figures::default();
        let next = || {
            let mut plan = plan.lock().unwrap();
            let planned = plan.next()?;
            // Nor does the other checkout begin a run.
            sleep(planned.pause);
            Some(planned)
        };
        while let Some(planned) = next() {
            let ended = run::carry_out(self.command(planned, environment), planned, environment);
            figures.count(planned, ended);
        }
        figures
    }

    fn command(&self, planned: Planned, environment: &Environment) -> Command {
        let mut command = if planned.nextest {
            let arguments = ["nextest", "run", "--no-fail-fast", "--no-input-handler"];
            let mut command = self.project.cargo_in(&self.directory, &arguments);
            command
                .args(["--status-level=all", "--test-threads=6"])
                .args(self.features);
            command
        } else {
            // For the environment that Cargo gives, without Cargo.
            let cargo = self.project.cargo_in(&self.directory, &[]);
            let mut command = Command::new(&self.binary);
            for (name, value) in cargo.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
                .env("CARGO_MANIFEST_DIR", &self.directory)
                .current_dir(&self.directory)
                .arg("--test-threads=6");
            command
        };
        command
            .env("USER", &environment.user)
            .env("TMPDIR", &environment.temporary)
            .envs(
                environment
                    .variables
                    .iter()
                    .map(|(name, value)| (name, value)),
            );
        command
    }
}

/// What runs have come to.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    by_themselves: usize,
    under_nextest: usize,
    killed: usize,
    stopped: usize,
    /// Ended before something could happen to them.
    too_early: usize,
    failures: Vec<String>,
}

impl Figures {
    fn count(&mut self, planned: Planned, ended: Ended) {
        *(if planned.nextest {
            &mut self.under_nextest
        } else {
            &mut self.by_themselves
        }) += 1;
        match planned.event {
            Event::Nothing => {}
            _ if !ended.happened => self.too_early += 1,
            Event::Kill => self.killed += 1,
            Event::Stop => self.stopped += 1,
        }
        self.failures.extend(ended.failure);
    }

    /// Adds those of another checkout.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.by_themselves += other.by_themselves;
        self.under_nextest += other.under_nextest;
        self.killed += other.killed;
        self.stopped += other.stopped;
        self.too_early += other.too_early;
        self.failures.extend(other.failures);
        self
    }

    /// Fails the test if a run has failed that nothing had ended.
    pub(crate) fn check(&self) {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n\n"));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs of the binary and {} of nextest: {} killed, {} stopped for a while, {} ended \
             before that, {} failed",
            self.by_themselves,
            self.under_nextest,
            self.killed,
            self.stopped,
            self.too_early,
            self.failures.len()
        )
    }
}
