//! One server for all tests of a run, and nothing left of it, however the run ends.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use std::fmt::Write;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use container_test_tests::engine::Engine;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner, Running};

/// When nothing may be left after the end of a run.
const DEADLINE: Duration = Duration::from_secs(15);

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

/// A way for a run to end.
struct End {
    name: &'static str,
    /// The only test that runs.
    test: &'static str,
    /// What happens to the run from outside.
    happens: fn(&mut Running<'_>) -> Result<(), String>,
    /// What the output must say, under either runner.
    says: &'static str,
    succeeds: bool,
}

const ENDS: [End; 9] = [
    End {
        name: "it passed",
        test: "passes",
        happens: |_| Ok(()),
        says: "1 passed",
        succeeds: true,
    },
    End {
        name: "a test failed",
        test: "fails",
        happens: |_| Ok(()),
        says: "the body returned an error",
        succeeds: false,
    },
    End {
        name: "a test panicked",
        test: "panics",
        happens: |_| Ok(()),
        says: "the body panicked",
        succeeds: false,
    },
    End {
        name: "a test timed out",
        test: "times_out",
        happens: |_| Ok(()),
        says: "it took longer than its timeout of 1s",
        succeeds: false,
    },
    End {
        name: "a test ended its process",
        test: "exits",
        happens: |_| Ok(()),
        says: "",
        succeeds: false,
    },
    End {
        name: "a test aborted",
        test: "aborts",
        happens: |_| Ok(()),
        says: "SIGABRT",
        succeeds: false,
    },
    End {
        name: "it was interrupted in the middle of a test",
        test: "hangs",
        happens: |run| {
            run.wait_for_mark()?;
            run.interrupt();
            Ok(())
        },
        says: "",
        succeeds: false,
    },
    End {
        name: "it was killed in the middle of a test",
        test: "hangs",
        happens: |run| {
            run.wait_for_mark()?;
            run.kill();
            Ok(())
        },
        says: "",
        succeeds: false,
    },
    End {
        name: "it was killed while a server started",
        test: "passes",
        happens: |run| {
            run.wait_for_container("start")?;
            run.kill();
            Ok(())
        },
        says: "",
        succeeds: false,
    },
];

#[test]
fn nothing_is_left_however_a_run_ends() {
    let (project, engine) = (project(), Engine::connect());
    let ends = ENDS
        .iter()
        .flat_map(|end| [(end, Runner::CargoTest), (end, Runner::Nextest)]);
    let (ends, failures) = (Mutex::new(ends), Mutex::new(String::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some((end, runner)) = ends.lock().unwrap().next() else {
                        break;
                    };
                    let run = project
                        .run(runner, &engine)
                        .args(&["--features", "integration"]);
                    if let Err(failure) = nothing_is_left_after(end, run) {
                        let name = end.name;
                        let _ = writeln!(
                            failures.lock().unwrap(),
                            "under {runner:?}, when {name}: {failure}\n"
                        );
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures}");
}

fn nothing_is_left_after(end: &End, run: Run<'_>) -> Result<(), String> {
    let mut run = run.args(&["--test", "ends", end.test]).start();
    (end.happens)(&mut run)?;
    let run: Finished<'_> = run.finish();
    let output = &run.output;
    if run.status.success() != end.succeeds || !output.contains(end.says) || output.contains("LEAK")
    {
        return Err(format!(
            "the run ended with {}, and said:\n{output}",
            run.status
        ));
    }
    if run.servers("postgres") + run.servers("redis") == 0 {
        return Err(format!("no server was ever started:\n{output}"));
    }
    let after = run
        .gone_within(DEADLINE)
        .map_err(|left| format!("{left}\nthe run said:\n{output}"))?;
    println!("{}: gone after {after:.1?}", end.name);
    Ok(())
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
