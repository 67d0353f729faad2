//! Runs of `cargo test` and of nextest on a scaffolded crate.

mod finished;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use self::finished::Finished;

use crate::engine::{self, Engine};
use crate::local::Local;
use crate::processes;
use crate::project::Project;

/// What runs tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// `cargo test`
    CargoTest,
    /// `cargo nextest run`
    Nextest,
}

/// How often is looked whether something has happened.
const POLL: Duration = Duration::from_millis(50);
/// Longest time that a run may take.
const LONGEST: Duration = Duration::from_secs(180);

/// A run as a user of its own, so that it shares no server with anything else that runs on the
/// engine, and with a directory of its own for temporary files.
#[derive(Debug)]
pub struct Run<'a> {
    command: Command,
    engine: Option<&'a Engine>,
    local: Option<Local>,
    user: String,
    directory: TempDir,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        project: &Project,
        runner: Runner,
        engine: Option<&'a Engine>,
        within: &Path,
    ) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("container-test-run-")
            .tempdir_in(within)
            .expect("a directory for the run");
        fs::create_dir(directory.path().join("tmp")).expect("a directory for temporary files");
        let user = directory
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut command = match runner {
            Runner::CargoTest => project.cargo(&["test", "--no-fail-fast"]),
            Runner::Nextest => project.cargo(&[
                "nextest",
                "run",
                "--no-fail-fast",
                "--status-level=all",
                "--no-input-handler",
            ]),
        };
        command
            .env("USER", &user)
            .env("TMPDIR", directory.path().join("tmp"))
            .env("MARK", directory.path().join("mark"))
            .env("CONTAINER_TEST_CACHE_DIR", directory.path().join("cache"));
        if engine.is_some() {
            command.env("CONTAINER_TEST_PROVIDER", "docker");
            // What the suite is to be run with, a project does not inherit.
            if let Some(way) = std::env::var_os("CONTAINER_TEST_ENGINE") {
                command.env("CONTAINER_TEST_ENGINE", way);
            }
        }
        Self {
            command,
            engine,
            local: None,
            user,
            directory,
        }
    }

    /// Takes servers from programs of this machine, with their data in a directory of the run.
    #[must_use]
    pub fn on_local_servers(self) -> Self {
        // The servers' user is another one if we are root.
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(self.directory.path(), open).expect("a directory of ours");
        let data = self.directory.path().join("data");
        fs::create_dir(&data).expect("a directory for data");
        self.env("CONTAINER_TEST_PROVIDER", "local")
            .with_data_in(&data)
    }

    /// Has the data of local servers in this directory.
    #[must_use]
    pub fn with_data_in(mut self, data: &Path) -> Self {
        self.local = Some(Local::watch(data));
        self.command.env("CONTAINER_TEST_DATA_DIR", data);
        self
    }

    /// Further arguments of the runner.
    #[must_use]
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable of the run's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it find the servers of another run.
    #[must_use]
    pub fn as_the_user_of(mut self, other: &Finished<'_>) -> Self {
        self.user.clone_from(&other.user);
        let run = self.env("USER", &other.user);
        match &other.local {
            Some(local) => run
                .with_data_in(local.directory())
                .with_cache_in(&other.directory.path().join("cache")),
            None => run,
        }
    }

    /// Keeps prepared data in this directory.
    #[must_use]
    pub fn with_cache_in(mut self, cache: &Path) -> Self {
        self.command.env("CONTAINER_TEST_CACHE_DIR", cache);
        self
    }

    /// Starts it, in a process group of its own, as a shell does.
    #[must_use]
    pub fn start(mut self) -> Running<'a> {
        let output =
            File::create(self.directory.path().join("output")).expect("a file for the output");
        let same = output.try_clone().expect("the same file");
        let child = self
            .command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(same)
            .spawn()
            .expect("cargo starts");
        Running {
            child,
            engine: self.engine,
            local: self.local,
            user: self.user,
            directory: self.directory,
        }
    }

    /// Starts it and waits for its end.
    #[must_use]
    pub fn finish(self) -> Finished<'a> {
        self.start().finish()
    }
}

/// A run that has started.
#[derive(Debug)]
pub struct Running<'a> {
    child: Child,
    engine: Option<&'a Engine>,
    local: Option<Local>,
    user: String,
    directory: TempDir,
}

impl<'a> Running<'a> {
    /// Waits until a test is in the middle of its body, and says so by making the file `MARK`.
    ///
    /// # Errors
    ///
    /// If the run ends before.
    pub fn wait_for_mark(&mut self) -> Result<(), String> {
        let mark = self.directory.path().join("mark");
        self.wait_until(POLL, "a test came to its body", |_| mark.exists())
    }

    /// Waits until the engine says that it did this to a container of the run.
    ///
    /// # Errors
    ///
    /// If the run ends before.
    pub fn wait_for_container(&mut self, action: &str) -> Result<(), String> {
        let what = format!("a container had the event {action}");
        self.wait_until(Duration::from_millis(1), &what, |run| {
            run.engine
                .is_some_and(|engine| engine.has_happened(&run.user, action))
        })
    }

    /// Waits until a server has been started, ready or not.
    ///
    /// # Errors
    ///
    /// If the run ends before.
    pub fn wait_for_server(&mut self) -> Result<(), String> {
        if self.local.is_none() {
            return self.wait_for_container("start");
        }
        let started = |run: &Self| {
            run.local
                .as_ref()
                .is_some_and(|local| local.has_started("postgres"))
        };
        self.wait_until(Duration::from_millis(1), "a server started", started)
    }

    /// Starts the containers of the run again.
    pub fn restart_containers(&self) {
        engine::restart(&self.user);
    }

    /// Waits until a container is at work that prepares a data directory, and removes it by force.
    ///
    /// # Errors
    ///
    /// If the run ends before, or it was too late.
    pub fn stop_preparation(&mut self) -> Result<(), String> {
        self.wait_until(Duration::from_millis(1), "data was prepared", |run| {
            run.engine
                .is_some_and(|engine| engine.has_prepared(&run.user))
        })?;
        match engine::remove(&self.user, "container-test-prepare-") {
            1 => Ok(()),
            removed => Err(format!("{removed} containers were removed")),
        }
    }

    /// Waits until a server of the run, or what prepares its data, has a process whose command line
    /// has this in it.
    ///
    /// # Errors
    ///
    /// If the run ends before.
    pub fn wait_for_process(&mut self, part: &str) -> Result<(), String> {
        let what = format!("a process `{part}` was there");
        self.wait_until(Duration::from_millis(1), &what, |run| {
            run.local
                .as_ref()
                .is_some_and(|local| !local.processes(part).is_empty())
        })
    }

    /// The processes of the run's servers, and of what prepares their data, whose command line has
    /// this in it.
    #[must_use]
    pub fn processes(&self, part: &str) -> Vec<String> {
        let processes = self.local.iter().flat_map(|local| local.processes(part));
        processes.map(|process| process.id.to_string()).collect()
    }

    fn wait_until(
        &mut self,
        poll: Duration,
        what: &str,
        happened: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let since = Instant::now();
        while !happened(self) {
            let ended = self
                .child
                .try_wait()
                .expect("the state of a child")
                .is_some();
            if ended || since.elapsed() > LONGEST {
                self.kill();
                let _ = self.child.wait();
                return Err(format!("the run ended before {what}:\n{}", self.output()));
            }
            sleep(poll);
        }
        Ok(())
    }

    /// What Ctrl-C does: SIGINT to the whole process group.
    pub fn interrupt(&self) {
        processes::signal("INT", &[format!("-{}", self.child.id())]);
    }

    /// SIGSTOP to the runner and to the tests, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT to the runner and to the tests.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// What the file `MARK` has.
    #[must_use]
    pub fn mark(&self) -> String {
        fs::read_to_string(self.directory.path().join("mark")).expect("a mark")
    }

    /// Removes the file `MARK`: a test that waits for this goes on.
    pub fn remove_mark(&self) {
        fs::remove_file(self.directory.path().join("mark")).expect("a mark");
    }

    /// SIGKILL to the runner and, under `cargo test`, to the tests, but not to what is in process
    /// groups of its own.
    pub fn kill_group(&self) {
        processes::signal("KILL", &[format!("-{}", self.child.id())]);
    }

    /// SIGKILL to the runner and to the tests, all at once.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    fn signal(&self, signal: &str) {
        let processes = processes::with_variable("USER", &self.user);
        let ids: Vec<String> = processes
            .iter()
            .map(|process| process.id.to_string())
            .collect();
        processes::signal(signal, &ids);
    }

    /// Waits for its end.
    #[must_use]
    pub fn finish(mut self) -> Finished<'a> {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                break status;
            }
            if since.elapsed() > LONGEST {
                let processes = processes::with_variable("USER", &self.user);
                self.kill();
                let output = self.output();
                panic!("the run takes longer than {LONGEST:?}:\n{output}\n{processes:#?}");
            }
            sleep(POLL);
        };
        let output = self.output();
        Finished {
            status,
            output,
            ended: Instant::now(),
            engine: self.engine,
            local: self.local,
            user: self.user,
            directory: self.directory,
        }
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.directory.path().join("output")).expect("the run's output");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
