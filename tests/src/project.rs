//! Crates outside the workspace, as a user has them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::engine::Engine;
use crate::run::{Run, Runner};

/// A crate outside the workspace; its directory goes when this is dropped.
#[derive(Debug)]
pub struct Project {
    directory: PathBuf,
    target: PathBuf,
    /// Held so that no other project has the same directory.
    _alone: File,
}

impl Project {
    /// Copies `projects/{name}` and makes a crate of it, that depends on container-test by path
    /// and declares the features; one named `integration` is the gate of its tests. `scratch` is
    /// where what is compiled is stored for the next time. There is one of a name at a time.
    #[must_use]
    pub fn new(name: &str, features: &[&str], scratch: &str) -> Self {
        Self::one_of(1, name, features, scratch)
    }

    /// Does the same, with several of a name at the same time: for tests that mostly wait.
    #[must_use]
    pub fn one_of(number: usize, name: &str, features: &[&str], scratch: &str) -> Self {
        let target = Path::new(scratch).join("scaffold");
        fs::create_dir_all(&target).expect("a target directory");
        let (number, alone) = lock_one_of(number, &target, name);
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The same few directories every time, so that nothing unchanged is compiled again.
        let mut hash = DefaultHasher::new();
        home.hash(&mut hash);
        let directory = format!("container-test-{name}-{number}-{:08x}", hash.finish() >> 32);
        let directory = std::env::temp_dir().join(directory);
        // A run that was killed has left its own.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory for the project");
        let project = Self {
            directory,
            target,
            _alone: alone,
        };
        copy(&home.join("projects").join(name), &project.path());
        let manifest = manifest(name, features, &home.join("../runtime"));
        fs::write(project.path().join("Cargo.toml"), manifest).expect("a manifest");
        // The versions that the workspace has, so that nothing is looked up or downloaded.
        fs::copy(
            home.join("../Cargo.lock"),
            project.path().join("Cargo.lock"),
        )
        .expect("a lock file of versions");
        project
    }

    /// The crate's directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("crate")
    }

    /// Makes another checkout of the crate, and returns its directory. What is compiled in one
    /// serves the other, unless they are compiled with different features.
    #[must_use]
    pub fn another_checkout(&self) -> PathBuf {
        let another = self.directory.join("another").join("crate");
        copy(&self.path(), &another);
        another
    }

    /// Compiles what the runner will run.
    ///
    /// # Panics
    ///
    /// If it does not compile.
    pub fn build(&self, arguments: &[&str]) {
        let Output { status, stderr, .. } = self
            .cargo(&["test", "--no-run"])
            .args(arguments)
            .output()
            .expect("cargo starts");
        assert!(
            status.success(),
            "the project does not compile:\n{}",
            String::from_utf8_lossy(&stderr)
        );
    }

    /// A run of some of its tests, in containers of the engine.
    #[must_use]
    pub fn run<'a>(&'a self, runner: Runner, engine: &'a Engine) -> Run<'a> {
        Run::new(self, runner, Some(engine), &self.directory)
    }

    /// A run of some of its tests, on servers that its environment decides.
    #[must_use]
    pub fn run_without_engine(&self, runner: Runner) -> Run<'_> {
        Run::new(self, runner, None, &self.directory)
    }

    pub(crate) fn cargo(&self, subcommand: &[&str]) -> Command {
        self.cargo_in(&self.path(), subcommand)
    }

    /// Returns a command of Cargo in a checkout of the crate.
    #[must_use]
    pub fn cargo_in(&self, checkout: &Path, subcommand: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(subcommand)
            .arg("--offline")
            .current_dir(checkout);
        // What this suite is run with must not change what it runs.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_suite(name)) {
            command.env_remove(name);
        }
        command
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUST_BACKTRACE", "0");
        command.env("CARGO_TERM_COLOR", "never");
        // How fast it compiles matters, its debugging does not.
        command
            .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
            .env("CARGO_INCREMENTAL", "0");
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Waits for one of so many locks that no other project of this name has, and returns it with its
/// number.
fn lock_one_of(locks: usize, directory: &Path, name: &str) -> (usize, File) {
    let lock = |number| {
        let path = directory.join(format!("{name}-{number}.lock"));
        File::create(path).expect("a lock file")
    };
    let free = (0..locks).find_map(|number| {
        let file = lock(number);
        file.try_lock().ok().map(|()| (number, file))
    });
    free.unwrap_or_else(|| {
        let first = lock(0);
        first.lock().expect("a lock");
        (0, first)
    })
}

fn is_of_this_suite(name: &OsString) -> bool {
    const PREFIXES: [&str; 5] = [
        "NEXTEST",
        "CONTAINER_TEST_",
        "RUST_TEST_",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
    ];
    let name = name.to_string_lossy();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn manifest(name: &str, features: &[&str], runtime: &Path) -> String {
    let gate = if features.contains(&"integration") {
        "[package.metadata.container-test]\ngate = \"integration\"\n\n"
    } else {
        ""
    };
    let features: Vec<String> = features
        .iter()
        .map(|feature| format!("{feature} = []"))
        .collect();
    // One project has it under another name.
    let dependency = if name == "soak" {
        "database-tests = { package = \"container-test\", path"
    } else {
        "container-test = { path"
    };
    format!(
        "[package]\nname = \"scaffolded-{name}\"\nedition = \"2024\"\n\n\
         {gate}[features]\n{}\n\n\
         [dev-dependencies]\nanyhow = \"1\"\n\
         tokio = {{ version = \"1\", default-features = false, features = [\"time\"] }}\n\
         {dependency} = '{}' }}\n\n\
         [workspace]\n",
        features.join("\n"),
        runtime.display()
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory of sources") {
        let entry = entry.expect("an entry of a directory");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
            // As old as the original, so that Cargo takes it for what it has compiled before.
            let modified = fs::metadata(&from)
                .and_then(|from| from.modified())
                .expect("a time of change");
            let copy = File::options().write(true).open(&to).expect("the copy");
            copy.set_modified(modified)
                .expect("a time of change that can be set");
        }
    }
}
