//! Test binaries of this crate, in processes of their own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::servers::{Postgres, Redis};
use tempfile::TempDir;

/// The logical databases that tests may empty; the others are a stranger's.
const DATABASES: &str = "8-15";

/// A test binary that runs on servers given by URL.
pub(crate) struct Suite {
    name: &'static str,
    process: Child,
    directory: TempDir,
}

impl Suite {
    /// Starts it, without some of its tests.
    pub(crate) fn start(
        name: &'static str,
        binary: &Path,
        skipped: &[&str],
        postgres: &Postgres,
        redis: &Redis,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let output = fs::File::create(directory.path().join("output")).unwrap();
        let mut command = Command::new(binary);
        // What this suite is run with must not change what it runs.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("CONTAINER_TEST_") {
                command.env_remove(variable);
            }
        }
        for test in skipped {
            command.args(["--skip", test]);
        }
        let process = command
            .arg("--test-threads=3")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUST_BACKTRACE", "0")
            .env("CONTAINER_TEST_PROVIDER", "external")
            .env("CONTAINER_TEST_POSTGRES_URL", postgres.url())
            .env("CONTAINER_TEST_REDIS_URL", redis.url())
            .env("CONTAINER_TEST_REDIS_DATABASES", DATABASES)
            .env("CONTAINER_TEST_CACHE_DIR", directory.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            name,
            process,
            directory,
        }
    }

    /// Waits for its end; an error is what it said if it failed or took too long.
    pub(crate) fn passes_within(mut self, limit: Duration) -> Result<(), String> {
        let since = Instant::now();
        let ended = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break format!("ended with {status}"),
                None if since.elapsed() > limit => {
                    let _ = self.process.kill();
                    let _ = self.process.wait();
                    break "took too long".to_owned();
                }
                None => sleep(Duration::from_millis(50)),
            }
        };
        let output = fs::read(self.directory.path().join("output")).unwrap();
        let output = String::from_utf8_lossy(&output);
        println!("{} {ended}", self.name);
        if output.contains("test result: ok.") {
            Ok(())
        } else {
            Err(format!("{} {ended}:\n{output}", self.name))
        }
    }
}
