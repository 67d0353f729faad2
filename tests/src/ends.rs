//! The ways for a run to end, and what must be true after each of them.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::run::{Run, Runner, Running};

/// When nothing may be left after the end of a run.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// For how many seconds a server waits for the next test, where few runs are waited for. Suites
/// that have the default besides say whether that is kept.
const IDLE: &str = "4";

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
            run.wait_for_server()?;
            run.kill();
            Ok(())
        },
        says: "",
        succeeds: false,
    },
];

/// Ends runs of the scaffolded crate `lifecycle` in every way, under both runners, so many at a
/// time.
///
/// # Panics
///
/// If something is left of one of them.
pub fn leave_nothing<'a>(at_a_time: usize, run: impl Fn(Runner) -> Run<'a> + Sync) {
    let ends = ENDS
        .iter()
        .flat_map(|end| [(end, Runner::CargoTest), (end, Runner::Nextest)]);
    let (ends, failures) = (Mutex::new(ends), Mutex::new(String::new()));
    let next = || {
        ends.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
            .map(|(end, runner)| (end, runner, run(runner)))
    };
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some((end, runner, run)) = next() {
                    if let Err(failure) = leaves_nothing(end, run) {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        let name = end.name;
                        let _ = writeln!(failures, "under {runner:?}, when {name}: {failure}\n");
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("threads that did not panic");
    assert!(failures.is_empty(), "{failures}");
}

fn leaves_nothing(end: &End, run: Run<'_>) -> Result<(), String> {
    let mut run = run
        .args(&["--features", "integration", "--test", "ends", end.test])
        .env("CONTAINER_TEST_IDLE", IDLE)
        .start();
    (end.happens)(&mut run)?;
    let run = run.finish();
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

/// Runs two tests, one after the other: the servers of the first one end in its middle, and the
/// second one gets others.
///
/// # Panics
///
/// If one of them fails, or something is left.
pub fn servers_that_end_are_replaced(run: Run<'_>, end: impl FnOnce(&Running<'_>)) {
    let tests = [
        "--test",
        "ends",
        "--",
        "--test-threads=1",
        "loses_its_servers",
    ];
    let mut run = run
        .args(&["--features", "integration"])
        .args(&tests)
        .env("CONTAINER_TEST_IDLE", IDLE)
        .start();
    assert_eq!(run.wait_for_mark(), Ok(()));
    end(&run);
    run.remove_mark();
    let run = run.finish();
    assert!(run.output.contains("2 passed"), "{}", run.output);
    let servers = (run.servers("postgres"), run.servers("redis"));
    assert_eq!(servers, (2, 2), "{}", run.output);
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}
