//! What takes long says once what it waits for.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use container_test_tests::ends::DEADLINE;
use container_test_tests::project::Project;
use container_test_tests::run::Runner;

#[test]
fn a_template_that_takes_long_is_told_by_its_maker_and_by_those_who_wait_for_it() {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--test", "waiting"]);
    let run = project
        .run_without_engine(Runner::Nextest)
        .on_local_servers();
    let run = run
        .env("CONTAINER_TEST_IDLE", "5")
        .args(&["--test-threads", "2"]);
    let run = run.args(&["--success-output", "immediate"]);
    let slow = run.args(&["--test", "waiting"]).finish();
    let output = &slow.output;
    assert!(slow.status.success(), "{output}");
    for told in [
        "container-test: applying migrations and seeds, once for all tests, in the template database",
        "container-test: waiting for another test that makes a template database",
    ] {
        assert_eq!(output.matches(told).count(), 1, "{told}\n{output}");
    }
    assert_eq!(slow.gone_within(DEADLINE).err(), None);
}
