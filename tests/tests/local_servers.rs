//! Servers from programs of this machine: one for all tests of a run, nothing left of it however
//! it ends, and messages that help when there can be none.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use container_test_tests::ends::{self, DEADLINE};
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner};
use tempfile::TempDir;

/// Runs at the same time: most of their time is spent waiting for servers to end.
const AT_A_TIME: usize = 6;

/// Every binary that passes.
const ALL: [&str; 7] = [
    "--features",
    "integration",
    "--lib",
    "--test",
    "first",
    "--test",
    "second",
];

/// One test that uses both servers.
const ONE: [&str; 5] = ["--features", "integration", "--test", "ends", "passes"];

fn project() -> Project {
    let project = Project::new("lifecycle", &["integration"], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--features", "integration"]);
    project
}

fn run(project: &Project, runner: Runner) -> Run<'_> {
    project.run_without_engine(runner).on_local_servers()
}

/// A directory that the servers' user can enter.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn all_tests_of_cargo_test_share_one_server_per_service() {
    all_tests_share_one_server_per_service(Runner::CargoTest);
}

#[test]
fn all_tests_of_nextest_share_one_server_per_service() {
    all_tests_share_one_server_per_service(Runner::Nextest);
}

fn all_tests_share_one_server_per_service(runner: Runner) {
    let project = project();
    let run = run(&project, runner)
        .env("CONTAINER_TEST_IDLE", "3")
        .args(&ALL)
        .finish();
    let output = &run.output;
    assert!(run.status.success(), "{output}");
    assert!(!output.contains("LEAK"), "{output}");
    assert_eq!(
        (run.servers("postgres"), run.servers("redis")),
        (1 + 2, 1 + 1),
        "shared, and one for each test that has a server to itself\n{output}"
    );
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}

#[test]
fn eight_processes_that_come_at_once_share_one_server_per_service() {
    let project = project();
    for _ in 0..3 {
        let run = run(&project, Runner::Nextest)
            .env("CONTAINER_TEST_IDLE", "2")
            .args(&["--features", "integration", "--test", "eight"])
            .args(&["--test-threads", "8"])
            .finish();
        let output = &run.output;
        assert!(output.contains("8 tests run: 8 passed"), "{output}");
        assert!(!output.contains("LEAK"), "{output}");
        let servers = (run.servers("postgres"), run.servers("redis"));
        assert_eq!(servers, (1, 1), "{output}");
        assert_eq!(run.gone_within(DEADLINE).err(), None);
    }
}

#[test]
fn nothing_is_left_however_a_run_ends() {
    let project = project();
    ends::leave_nothing(AT_A_TIME, |runner| run(&project, runner));
}

#[test]
fn nothing_is_left_in_the_usual_place() {
    let project = project();
    let run = project
        .run_without_engine(Runner::CargoTest)
        .env("CONTAINER_TEST_PROVIDER", "local")
        .env("CONTAINER_TEST_IDLE", "2")
        .env("CONTAINER_TEST_VERBOSE", "1")
        .args(&ONE)
        .args(&["--", "--nocapture"])
        .finish();
    assert!(run.status.success(), "{}", run.output);
    let places: Vec<&Path> = run
        .output
        .lines()
        .filter_map(|line| line.split_once("data in ")?.1.split_once(" (provider"))
        .map(|(place, _)| Path::new(place))
        .collect();
    assert_eq!(places.len(), 2, "{}", run.output);
    let ended = Instant::now();
    while places.iter().any(|place| place.exists()) {
        assert!(ended.elapsed() < DEADLINE, "{places:?} are still there");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}

/// How many starts in a row; more by hand.
fn starts() -> usize {
    let starts = std::env::var("CONTAINER_TEST_STARTS");
    starts.map_or(5, |starts| starts.parse().unwrap())
}

/// Each run comes when the servers of the one before it are about to end, a little later or
/// earlier every time.
#[test]
fn starts_in_a_row_never_fail() {
    let project = project();
    let first = once(&project, None);
    let mut last = None;
    for number in 1..starts() as u64 {
        sleep(Duration::from_millis(500 + number * 370 % 1500));
        last = Some(once(&project, Some(&first)));
    }
    let last = last.as_ref().unwrap_or(&first);
    assert_eq!(last.gone_within(DEADLINE).err(), None);
    let servers = (first.servers("postgres"), first.servers("redis"));
    println!("{} starts, servers {servers:?}", starts());
}

/// A run of one test, with servers that stay for a second.
fn once<'a>(project: &'a Project, other: Option<&Finished<'_>>) -> Finished<'a> {
    let mut run = run(project, Runner::CargoTest);
    if let Some(other) = other {
        run = run.as_the_user_of(other);
    }
    let run = run.env("CONTAINER_TEST_IDLE", "1").args(&ONE).finish();
    assert!(run.status.success(), "{}", run.output);
    run
}

/// What is killed is the process that makes the data, and not the programs that it runs.
#[test]
fn a_maker_of_prepared_data_that_is_killed_disturbs_nobody() {
    let project = project();
    thread::scope(|scope| {
        for at in ["/initdb ", " --single ", "cp -R"] {
            let project = &project;
            scope.spawn(move || {
                let killed = killed_at(at, project);
                let next = once(project, Some(&killed));
                assert_eq!(next.gone_within(DEADLINE).err(), None, "killed at {at}");
                assert_eq!(killed.left(), [""; 0], "killed at {at}");
            });
        }
    });
}

#[test]
fn a_maker_of_prepared_data_that_is_killed_leaves_nothing() {
    let project = project();
    let killed = killed_at("/initdb ", &project);
    assert_eq!(killed.gone_within(DEADLINE).err(), None);
}

fn killed_at<'a>(at: &str, project: &'a Project) -> Finished<'a> {
    let mut run = run(project, Runner::CargoTest).args(&ONE).start();
    assert_eq!(run.wait_for_process(at), Ok(()));
    run.kill_group();
    let killed = run.finish();
    assert!(!killed.status.success(), "{}", killed.output);
    killed
}

#[test]
fn a_server_whose_creator_was_killed_at_once_disturbs_nobody() {
    let project = project();
    let before = once(&project, None);
    assert_eq!(before.gone_within(DEADLINE).err(), None);
    let mut killed = run(&project, Runner::CargoTest)
        .as_the_user_of(&before)
        .env("CONTAINER_TEST_IDLE", "3")
        .args(&ONE)
        .start();
    assert_eq!(killed.wait_for_server(), Ok(()));
    killed.kill();
    let killed = killed.finish();
    assert!(!killed.status.success(), "{}", killed.output);
    // Until the first one's servers have ended, and longer.
    let ended = Instant::now();
    while ended.elapsed() < Duration::from_secs(8) {
        let next = run(&project, Runner::CargoTest)
            .as_the_user_of(&before)
            .env("CONTAINER_TEST_IDLE", "3")
            .args(&ONE)
            .finish();
        assert!(next.status.success(), "{}", next.output);
        sleep(Duration::from_millis(300));
    }
    let last = once(&project, Some(&before));
    assert_eq!(last.gone_within(DEADLINE).err(), None);
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
            "help: install it, or set CONTAINER_TEST_POSTGRES_BIN",
        ],
    );
    check(
        "uses_redis",
        "CONTAINER_TEST_REDIS_BIN",
        empty,
        &[
            "failed to find redis-server or valkey-server on this machine",
            &missing,
            "help: install it, or set CONTAINER_TEST_REDIS_BIN",
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
            "Redis and Valkey 6.2 and newer are supported",
            "help: install a newer one, or set CONTAINER_TEST_REDIS_BIN",
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
    // First `initdb` does not fit, then no copy of what it has made elsewhere.
    for size in [4, 24] {
        let Some(disk) = Small::mount(size) else {
            eprintln!("not tested: a full disk, since we may not mount one");
            return;
        };
        check(
            &project,
            "uses_postgres",
            &[cache, ("CONTAINER_TEST_DATA_DIR", disk.path())],
            &[
                "No space left on device",
                disk.path(),
                "help: make room, or set CONTAINER_TEST_DATA_DIR to a directory with room for 512 MiB",
                "service postgres, provider local",
            ],
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
                "it belongs to somebody else",
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

/// Permissions do not keep root from anything, but nobody can make something in /proc.
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
        matches!(&kept[..], [cache] if cache.to_str().unwrap().contains("/container-test-cache-")),
        "{kept:?}"
    );
}
