//! One server for all tests of a run, and nothing left of it, however the run ends.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod caches;
mod secrets;

use container_test_tests::ends::{self, DEADLINE};
use container_test_tests::engine::Engine;
use container_test_tests::project::Project;
use container_test_tests::run::Runner;

/// Runs at the same time: as many as leave a small machine fast enough to stop servers in time.
const AT_A_TIME: usize = 4;

/// Every binary that passes.
const ALL: [&str; 5] = ["--lib", "--test", "first", "--test", "second"];

fn project() -> Project {
    let project = Project::new("lifecycle", &["integration"], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--features", "integration"]);
    project
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
    let (project, engine) = (project(), Engine::connect());
    let run = project
        .run(runner, &engine)
        .args(&["--features", "integration"])
        .args(&ALL)
        .finish();
    let output = &run.output;
    assert!(run.status.success(), "{output}");
    assert!(!output.contains("LEAK"), "{output}");
    match runner {
        Runner::CargoTest => {
            assert!(
                output.contains("a_body_may_panic_as_it_should - should panic ... ok"),
                "{output}"
            );
            assert!(
                output.contains("an_ignored_test_does_not_run ... ignored, not now"),
                "{output}"
            );
        }
        Runner::Nextest => assert!(
            output.contains("9 tests run: 9 passed, 1 skipped"),
            "{output}"
        ),
    }
    let servers = (run.servers("postgres"), run.servers("redis"));
    assert_eq!(
        servers,
        (1 + 2, 1 + 1),
        "shared, and one for each test that has a server to itself\n{output}"
    );
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}

#[test]
fn without_the_feature_tests_are_ignored_with_a_reason_and_nothing_is_started() {
    let (project, engine) = (project(), Engine::connect());
    let run = project.run(Runner::CargoTest, &engine).args(&ALL).finish();
    let output = &run.output;
    assert!(run.status.success(), "{output}");
    let reason = "another_binary_shares_the_servers ... ignored, needs `--features integration`";
    assert!(output.contains(reason), "{output}");
    assert!(!output.contains("... ok"), "{output}");
    assert_eq!(run.servers("postgres") + run.servers("redis"), 0);
    assert_eq!(run.left(), [""; 0]);
}

#[test]
fn nothing_is_left_however_a_run_ends() {
    let (project, engine) = (project(), Engine::connect());
    ends::leave_nothing(AT_A_TIME, |runner| project.run(runner, &engine));
}

#[test]
fn a_server_whose_creator_was_killed_at_once_is_used_by_the_next_run() {
    let (project, engine) = (project(), Engine::connect());
    let passes = ["--features", "integration", "--test", "ends", "passes"];
    let mut run = project
        .run(Runner::CargoTest, &engine)
        .args(&passes)
        .start();
    assert_eq!(run.wait_for_container("create"), Ok(()));
    run.kill();
    let killed = run.finish();
    assert!(!killed.status.success(), "{}", killed.output);

    let next = project
        .run(Runner::CargoTest, &engine)
        .args(&passes)
        .as_the_user_of(&killed)
        .finish();
    assert!(next.status.success(), "{}", next.output);
    assert_eq!(
        (next.servers("postgres"), next.servers("redis")),
        (1, 1),
        "{}",
        next.output
    );
    assert_eq!(next.gone_within(DEADLINE).err(), None);
}

#[test]
#[allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is one of a single lifetime"
)]
fn containers_that_are_started_again_serve_no_test_any_more() {
    let (project, engine) = (project(), Engine::connect());
    let run = project.run(Runner::CargoTest, &engine);
    ends::servers_that_end_are_replaced(run, |run| run.restart_containers());
}
