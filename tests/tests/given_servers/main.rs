//! Servers given by URL: nothing is left on them, nothing of others is touched, their limits are
//! kept, and wrong URLs are explained.
#![cfg(target_os = "linux")] // Processes are found in /proc.

mod left;
mod limits;
mod mistakes;
mod pooler;
mod redis;
mod settings;
mod survives;

use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner, Running};
use container_test_tests::servers::{PASSWORD, Postgres, ROLE, Redis};

/// The variable that names the logical databases which tests may have.
const DATABASES: &str = "CONTAINER_TEST_REDIS_DATABASES";

/// Tests that run at the same time: each has servers of its own, and mostly waits.
const PROJECTS: usize = 3;

fn project() -> Project {
    let project = Project::one_of(PROJECTS, "given", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&[]);
    project
}

/// A run on servers that are given by URL.
fn run<'a>(project: &'a Project, runner: Runner, postgres: &str, redis: &str) -> Run<'a> {
    project
        .run_without_engine(runner)
        .env("CONTAINER_TEST_PROVIDER", "external")
        .env("CONTAINER_TEST_POSTGRES_URL", postgres)
        .env("CONTAINER_TEST_REDIS_URL", redis)
}

fn passed(run: &Finished<'_>, number: usize) {
    let (libtest, nextest) = (
        format!("test result: ok. {number} passed"),
        format!("{number} passed"),
    );
    assert!(
        run.status.success() && (run.output.contains(&libtest) || run.output.contains(&nextest)),
        "{}",
        run.output
    );
}

/// What is left on servers that no other process uses.
fn left(postgres: &Postgres, redis: &Redis) -> Vec<String> {
    let mut left = postgres.left();
    left.extend(redis.clients());
    left.extend(redis.keys().into_keys().map(|key| format!("key {key}")));
    left
}

/// What a test must say, and nothing of the password.
fn says(run: &Finished<'_>, test: &str, parts: &[&str]) {
    let said = run.said_by(test);
    for part in parts {
        assert!(
            said.contains(part),
            "{test} does not say {part:?}:\n{}",
            run.output
        );
    }
    assert!(!run.output.contains(PASSWORD), "{}", run.output);
    // That of the server's own source.
    assert!(!said.contains(" at line "), "{said}");
}

/// Longest time that the refusal of a server may take, in seconds.
const AT_ONCE: f64 = 5.0;

/// How long the tests took, without the start of `cargo test`.
fn seconds(run: &Finished<'_>) -> f64 {
    let seconds = run.output.split("finished in ").nth(1);
    let seconds = seconds.and_then(|rest| rest.split('s').next()?.parse().ok());
    seconds.unwrap_or_else(|| panic!("{}", run.output))
}

#[test]
fn two_projects_use_the_same_servers_at_once() {
    let first = project();
    let second = Project::new("lifecycle", &[], env!("CARGO_TARGET_TMPDIR"));
    second.build(&[]);
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let url = (postgres.url(), redis.url());
    let first = run(&first, Runner::CargoTest, &url.0, &url.1)
        .args(&["--test", "ends", "--test", "crowd", "--", "passes", "both"])
        .start();
    let second = run(&second, Runner::Nextest, &url.0, &url.1)
        .args(&["--lib", "--test", "ends", "unit", "passes"])
        .start();
    let (first, second) = (first.finish(), second.finish());
    passed(&first, 8);
    passed(&second, 3);
    assert_eq!(postgres.templates().len(), 2);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn two_roles_use_the_same_server_at_once() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    postgres.psql(&format!(
        "CREATE ROLE \"some Body\" LOGIN CREATEDB PASSWORD '{PASSWORD}'"
    ));
    let runs = ["some%20Body", ROLE].map(|role| {
        let url = postgres.url_of(role, PASSWORD);
        let run = run(&project, Runner::CargoTest, &url, &redis.url());
        run.args(&["--test", "crowd", "--", "postgres_"]).start()
    });
    for run in runs.map(Running::finish) {
        passed(&run, 8);
    }
    assert_eq!(postgres.templates().len(), 2);
    assert_eq!(left(&postgres, &redis), ["role some Body"]);
}

#[test]
fn unix_sockets_work_as_urls() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let directory = postgres.socket_directory().display().to_string();
    let port = postgres.port();
    let encoded = directory.replace('/', "%2F");
    let redis_url = format!("unix://{}", redis.socket().display());
    for url in [
        format!("postgres://{ROLE}@{encoded}:{port}/theirs"),
        format!("postgres://{ROLE}@localhost:{port}/theirs?host={directory}"),
    ] {
        let run = run(&project, Runner::CargoTest, &url, &redis_url);
        passed(
            &run.args(&["--test", "ends", "--", "--exact", "passes"])
                .finish(),
            1,
        );
        assert_eq!(left(&postgres, &redis), [""; 0]);
        let run = self::run(&project, Runner::CargoTest, &url, &redis_url);
        let psql = ["--test", "ends", "--", "--exact", "gives_its_url_to_psql"];
        passed(&run.args(&psql).finish(), 1);
        assert_eq!(left(&postgres, &redis), [""; 0]);
    }
}
