//! One mistake in the set-up of many tests: the first test finds it, the others fail at once with
//! the same report.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use std::fs;
use std::time::Duration;

use container_test_tests::ends::DEADLINE;
use container_test_tests::engine::Engine;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Runner};

/// What a report says that is not the first of its kind.
const AGAIN: &str = "note: it failed before, in ";

fn project() -> Project {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--test", "repeated"]);
    project
}

/// Runs the tests of one mistake; all have to fail.
fn finish<'a>(run: container_test_tests::run::Run<'a>, tests: &str, number: usize) -> Finished<'a> {
    let run = run
        .env("CONTAINER_TEST_IDLE", "2")
        .args(&["--test", "repeated", tests])
        .finish();
    let reports = run.output.matches(" could not run\n").count();
    assert_eq!(reports, number, "{}", run.output);
    run
}

fn passed_on(run: &Finished<'_>) -> usize {
    run.output.matches(AGAIN).count()
}

#[test]
fn a_broken_migration_is_applied_once_and_again_when_it_was_corrected() {
    let project = project();
    for runner in [Runner::CargoTest, Runner::Nextest] {
        let first = project.run_without_engine(runner).on_local_servers();
        // Time enough for the second run.
        let first = first.env("CONTAINER_TEST_IDLE", "20");
        let first = first.args(&["--test", "repeated", "migration_"]).finish();
        let failed = first.output.matches("division by zero (SQLSTATE 22012)");
        assert_eq!(failed.count(), 11, "{}", first.output);
        assert_eq!(passed_on(&first), 10, "{}", first.output);
        let line = "crate/wrong/slow/0001_slow.sql, line 2";
        assert_eq!(first.output.matches(line).count(), 11, "{}", first.output);

        let migration = project.path().join("wrong/slow/0001_slow.sql");
        let broken = fs::read_to_string(&migration).unwrap();
        fs::write(&migration, "CREATE TABLE users (id int);").unwrap();
        let second = project.run_without_engine(runner);
        let second = second.env("CONTAINER_TEST_PROVIDER", "local");
        let second = second
            .as_the_user_of(&first)
            .env("CONTAINER_TEST_IDLE", "20");
        let second = second.args(&["--test", "repeated", "migration_1"]).finish();
        assert!(second.status.success(), "{}", second.output);
        fs::write(&migration, broken).unwrap();
        let limit = DEADLINE + Duration::from_secs(20);
        assert_eq!(second.gone_within(limit).err(), None);
    }
}

#[test]
fn a_server_that_cannot_start_is_started_once() {
    let project = project();
    for runner in [Runner::CargoTest, Runner::Nextest] {
        let run = project.run_without_engine(runner);
        let run = finish(run.on_local_servers(), "server_", 5);
        assert_eq!(passed_on(&run), 4, "{}", run.output);
        let words = "unrecognized configuration parameter \"no_such_setting\"";
        assert_eq!(run.output.matches(words).count(), 5, "{}", run.output);
        assert_eq!(run.servers("postgres"), 1, "{}", run.output);
        assert_eq!(run.gone_within(DEADLINE).err(), None);
    }
}

#[test]
fn an_image_that_cannot_be_had_is_pulled_once() {
    let (project, engine) = (project(), Engine::connect());
    let images = [
        ("image_", "127.0.0.1:1/postgres:none"),
        ("container_", "127.0.0.1:1/none:1"),
    ];
    let runners = [Runner::CargoTest, Runner::Nextest];
    for (runner, (tests, image)) in runners
        .into_iter()
        .flat_map(|runner| images.map(|image| (runner, image)))
    {
        let run = finish(project.run(runner, &engine), tests, 5);
        assert_eq!(passed_on(&run), 4, "{}", run.output);
        let pulls = format!("container-test: pulling the image {image}");
        assert_eq!(run.output.matches(&pulls).count(), 1, "{}", run.output);
        let failed = format!("failed to pull the image {image}");
        assert_eq!(run.output.matches(&failed).count(), 5, "{}", run.output);
        assert_eq!(run.gone_within(DEADLINE).err(), None);
    }
}
