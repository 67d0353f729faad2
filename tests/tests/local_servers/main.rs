//! Servers from programs of this machine: one for all tests of a run, nothing left of it however
//! it ends, and messages that help when there can be none.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod mistakes;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime};

use container_test_tests::ends::{self, DEADLINE};
use container_test_tests::processes::signal;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner};

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
fn the_arguments_of_processes_have_no_password() {
    let project = project();
    let test = [
        "--features",
        "integration",
        "--test",
        "ends",
        "tells_its_urls",
    ];
    let mut run = run(&project, Runner::CargoTest).args(&test).start();
    assert_eq!(run.wait_for_mark(), Ok(()));
    let urls = run.mark();
    let passwords = urls.lines().map(|url| {
        let (user, _) = url.split_once('@').unwrap();
        user.rsplit_once(':').unwrap().1
    });
    let passwords: Vec<&str> = passwords.collect();
    assert!(
        passwords.iter().all(|password| password.len() >= 16),
        "{urls}"
    );
    assert_eq!(passwords.len(), 2);
    for part in ["/postgres -D", "redis-server"] {
        assert!(!run.processes(part).is_empty(), "nothing is looked at");
    }
    for password in passwords {
        assert_eq!(run.processes(password), [""; 0]);
    }
    run.remove_mark();
    assert_eq!(run.finish().gone_within(DEADLINE).err(), None);
}

#[test]
fn servers_that_crash_are_replaced() {
    let project = project();
    ends::servers_that_end_are_replaced(run(&project, Runner::CargoTest), |run| {
        let watchdogs = run.processes("container-test-watchdog");
        // Killed, a PostgreSQL server would leave shared memory.
        for (part, how) in [("/postgres -D", "QUIT"), ("redis-server", "KILL")] {
            let mut servers = run.processes(part);
            servers.retain(|id| !watchdogs.contains(id));
            signal(how, &servers);
        }
    });
}

#[test]
fn nothing_is_left_in_the_default_directory() {
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

/// What a killed watchdog leaves is removed by the next start.
#[test]
fn a_start_removes_directories_of_dead_servers_and_nothing_without_their_mark() {
    let project = project();
    let first = once(&project, None);
    assert_eq!(first.gone_within(DEADLINE).err(), None);
    let data = first.data_directory().unwrap();
    let make = |name: &str, mark: bool, age: Duration| {
        let path = data.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        fs::write(path.join("data"), "").unwrap();
        if mark {
            fs::write(path.join(".container-test-server"), "").unwrap();
        }
        let directory = File::open(&path).unwrap();
        directory.set_modified(SystemTime::now() - age).unwrap();
        path
    };
    let old = Duration::from_secs(3_600);
    let dead = make(
        "container-test-postgres-0123456789ab-abcdef.0123abcd",
        true,
        old,
    );
    let others = [
        make(
            "container-test-postgres-0123456789ab-abcdef.4567abcd",
            false,
            old,
        ),
        make("container-test-of-another-tool", false, old),
        make("another-tool", true, old),
        make(
            "container-test-redis-0123456789ab-abcdef.0123abcd",
            true,
            Duration::ZERO,
        ),
    ];
    let next = once(&project, Some(&first));
    assert!(!dead.exists());
    for other in &others {
        assert!(other.join("data").exists(), "{}", other.display());
        fs::remove_dir_all(other).unwrap();
    }
    assert_eq!(next.gone_within(DEADLINE).err(), None);
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
fn a_killed_maker_of_prepared_data_disturbs_no_other_process() {
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
    for at in ["/initdb ", " --boot ", " --single "] {
        let killed = killed_at(at, &project);
        assert_eq!(killed.gone_within(DEADLINE).err(), None, "killed at {at}");
    }
}

/// Its data are removed once it has ended, and not under it: it would leave shared memory then.
#[test]
fn a_slow_maker_of_prepared_data_that_is_killed_leaves_nothing() {
    let project = project();
    let mut run = run(&project, Runner::CargoTest).args(&ONE).start();
    assert_eq!(run.wait_for_process(" --single "), Ok(()));
    let slow = run.processes(" --single ");
    signal("STOP", &slow);
    run.kill_group();
    sleep(Duration::from_secs(6));
    signal("CONT", &slow);
    assert_eq!(run.finish().gone_within(DEADLINE).err(), None);
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
fn a_server_whose_creator_was_killed_at_once_disturbs_no_other_process() {
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
