//! Wrong programs and places, and what has to work all the same.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use container_test_tests::ends::DEADLINE;
use container_test_tests::project::Project;
use container_test_tests::run::Runner;
use tempfile::TempDir;

use crate::run;

/// A directory that the servers' user can enter.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Runs a test of the crate of mistakes with this environment, and checks its report.
fn check(
    project: &Project,
    test: &str,
    environment: &[(&str, &str)],
    expected: &[&str],
    failures: &mut String,
) {
    let mut run = run(project, Runner::CargoTest).env("CONTAINER_TEST_IDLE", "2");
    for (name, value) in environment {
        run = match *name {
            "CONTAINER_TEST_DATA_DIR" => run.with_data_in(Path::new(value)),
            _ => run.env(name, value),
        };
    }
    let run = run.args(&["--test", "local", test]).finish();
    let said = run.said_by(test);
    if expected.is_empty() {
        if !run.status.success() {
            let _ = writeln!(failures, "{test} with {environment:?}:\n{}", run.output);
        }
    } else if said.is_empty() || !expected.iter().all(|part| said.contains(part)) {
        let output = &run.output;
        let _ = writeln!(
            failures,
            "{test} with {environment:?} does not say {expected:#?}, but\n{output}"
        );
    }
    if let Err(left) = run.gone_within(DEADLINE) {
        let _ = writeln!(failures, "{test} with {environment:?}: {left}");
    }
}

fn mistakes() -> Project {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--test", "local"]);
    project
}

#[test]
fn missing_and_old_programs_are_reported_with_what_to_do() {
    let project = mistakes();
    let directory = directory();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let old = directory.path().join("old");
    fs::create_dir(&old).unwrap();
    program(&old.join("postgres"), "echo 'postgres (PostgreSQL) 12.22'");
    program(&old.join("initdb"), "echo 'initdb (PostgreSQL) 12.22'");
    program(
        &old.join("redis-server"),
        "case $1 in --version) echo 'Redis server v=6.0.16 sha=00000000:0 bits=64' ;; \
         *) echo 'Bad directive or wrong number of arguments'; exit 1 ;; esac",
    );
    let (empty, old) = (empty.to_str().unwrap(), old.to_str().unwrap());

    let mut failures = String::new();
    let mut check = |test, variable, place, expected: &[&str]| {
        check(
            &project,
            test,
            &[(variable, place)],
            expected,
            &mut failures,
        );
    };
    let missing = format!("is `{empty}`, and it is not there");
    check(
        "uses_postgres",
        "CONTAINER_TEST_POSTGRES_BIN",
        empty,
        &[
            "failed to find postgres on this machine",
            &missing,
            "help: install it (PostgreSQL's server programs (`apt install postgresql`, `brew install postgresql`)), or set CONTAINER_TEST_POSTGRES_BIN",
        ],
    );
    check(
        "uses_redis",
        "CONTAINER_TEST_REDIS_BIN",
        empty,
        &[
            "failed to find redis-server or valkey-server on this machine",
            &missing,
            "help: install it (redis-server or valkey-server (`apt install redis-server`, `brew install redis`)), or set CONTAINER_TEST_REDIS_BIN",
        ],
    );
    check(
        "uses_postgres",
        "CONTAINER_TEST_POSTGRES_BIN",
        old,
        &[
            &format!("failed to run {old}/postgres"),
            "this is `postgres (PostgreSQL) 12.22`; PostgreSQL 13 and newer are supported",
            "help: install a newer one, or set CONTAINER_TEST_POSTGRES_BIN",
            "service postgres, provider local",
        ],
    );
    check(
        "uses_redis",
        "CONTAINER_TEST_REDIS_BIN",
        old,
        &[
            &format!("failed to start {old}/redis-server"),
            "this is `Redis server v=6.0.16",
            "version 6.2 and newer are supported",
            "help: install a newer one (redis-server or valkey-server (`apt install redis-server`, `brew install redis`)), or set CONTAINER_TEST_REDIS_BIN",
            "service redis, provider local",
        ],
    );
    assert!(failures.is_empty(), "{failures}");
}

/// A program that is a script.
fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_only_an_image_has_is_reported_in_the_servers_own_words() {
    let project = mistakes();
    let mut failures = String::new();
    let mut check = |test, expected: &[&str]| check(&project, test, &[], expected, &mut failures);
    check(
        "extension_that_only_an_image_has",
        &[
            "could not access file \"timescaledb\"",
            "the server ended by itself",
            "service postgres, provider local: CONTAINER_TEST_PROVIDER is `local`",
            "help: the server's own words above say why; an extension or setting that only an image has needs the docker provider",
        ],
    );
    check(
        "module_that_only_an_image_has",
        &[
            "/opt/redis-stack/lib/rejson.so",
            "the server ended by itself",
            "service redis, provider local: CONTAINER_TEST_PROVIDER is `local`",
            "help: the server's own words above say why",
        ],
    );
    assert!(failures.is_empty(), "{failures}");
}

/// A file system of so many MiB, until it is dropped.
struct Small(TempDir);

impl Small {
    /// Nothing if we may not mount.
    fn mount(size: u32) -> Option<Self> {
        let directory = directory();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m"), "none"])
            .arg(directory.path())
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then_some(Self(directory))
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .output();
    }
}

#[test]
fn a_full_disk_is_reported_with_what_to_do() {
    let project = mistakes();
    let mut failures = String::new();
    let directory = directory();
    let cache = directory.path().join("cache");
    let cache = ("CONTAINER_TEST_CACHE_DIR", cache.to_str().unwrap());
    // First `initdb` does not fit, then no copy of what it has made elsewhere, then no clone.
    let start =
        "help: make room, or set CONTAINER_TEST_DATA_DIR to a directory with room for 512 MiB";
    let later = "help: make room where the server has its data; a local server's can be elsewhere: CONTAINER_TEST_DATA_DIR";
    let starts = "note: service postgres, provider local";
    let runs = "note: service postgres, on local server ";
    for (size, help, note) in [(4, start, starts), (24, start, starts), (52, later, runs)] {
        let Some(disk) = Small::mount(size) else {
            // Not by a macro: what tests print by these is shown of failed ones only.
            let _ = writeln!(
                io::stderr(),
                "NOT TESTED: a full disk, since we may not mount one"
            );
            return;
        };
        check(
            &project,
            "uses_postgres",
            &[cache, ("CONTAINER_TEST_DATA_DIR", disk.path())],
            &["No space left on device", disk.path(), help, note],
            &mut failures,
        );
        drop(disk);
        check(&project, "uses_postgres", &[cache], &[], &mut failures);
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_data_directory_that_others_can_write_to_is_refused() {
    let project = mistakes();
    let mut failures = String::new();
    let directory = directory();
    let make = |name: &str, mode: u32| {
        let path = directory.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let mut check = |place: &Path, expected: &[&str]| {
        let variable = ("CONTAINER_TEST_DATA_DIR", place.to_str().unwrap());
        check(&project, "uses_redis", &[variable], expected, &mut failures);
    };

    let open = make("open", 0o777);
    check(
        &open,
        &[
            &format!("failed to use {}", open.display()),
            "others can write to it",
            "help: set CONTAINER_TEST_DATA_DIR to a directory of your own",
        ],
    );
    let link = directory.path().join("link to open");
    symlink(&open, &link).unwrap();
    check(
        &link,
        &[
            &format!("failed to use {}", link.display()),
            "others can write to it",
            "help: set CONTAINER_TEST_DATA_DIR to a directory of your own",
        ],
    );
    let theirs = make("theirs", 0o755);
    // Only root can give something away.
    if chown(&theirs, Some(12_345), None).is_ok() {
        check(
            &theirs,
            &[
                &format!("failed to use {}", theirs.display()),
                "it belongs to another user",
                "help: set CONTAINER_TEST_DATA_DIR to a directory of your own",
            ],
        );
    }
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    check(
        &file,
        &[
            &format!("failed to use {}", file.display()),
            "it is not a directory",
            "help: set CONTAINER_TEST_DATA_DIR to a directory of your own",
        ],
    );
    // What all can write to, but only remove what is theirs, is as good as /tmp.
    check(&make("sticky", 0o1777), &[]);
    let link = directory.path().join("link to ours");
    symlink(make("ours", 0o755), &link).unwrap();
    check(&link, &[]);
    check(&directory.path().join("to/be/made"), &[]);
    assert!(failures.is_empty(), "{failures}");
}

/// Permissions do not stop root, but no user can create anything in /proc.
#[test]
fn without_a_home_everything_works() {
    let project = mistakes();
    let temporary = directory();
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o1777)).unwrap();
    // Cargo itself is at home.
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let of_cargo = |variable: &str, name: &str| {
        std::env::var(variable).unwrap_or_else(|_| home.join(name).to_str().unwrap().to_owned())
    };
    let (cargo, rustup) = (
        of_cargo("CARGO_HOME", ".cargo"),
        of_cargo("RUSTUP_HOME", ".rustup"),
    );
    for home in ["/proc/nonexistent", ""] {
        let mut failures = String::new();
        for test in ["uses_postgres", "uses_redis"] {
            let environment = [
                ("CARGO_HOME", cargo.as_str()),
                ("RUSTUP_HOME", rustup.as_str()),
                ("CONTAINER_TEST_CACHE_DIR", ""),
                ("XDG_CACHE_HOME", ""),
                ("HOME", home),
                ("TMPDIR", temporary.path().to_str().unwrap()),
            ];
            check(&project, test, &environment, &[], &mut failures);
        }
        assert!(failures.is_empty(), "{failures}");
    }
    let kept: Vec<PathBuf> = fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        matches!(&kept[..], [cache] if cache.to_str().unwrap().contains("/cache-of-container-test-")),
        "{kept:?}"
    );
}
