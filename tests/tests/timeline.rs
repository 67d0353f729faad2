//! With `CONTAINER_TEST_TIMELINE`, all processes of all runs write their steps to one file.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use container_test_tests::ends::DEADLINE;
use container_test_tests::project::Project;
use container_test_tests::run::{Run, Runner};
use serde_json::Value;

/// The events of a file, whose list is not closed.
fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let closed = format!("{}]", text.trim_end().trim_end_matches(','));
    let events: Vec<Value> = serde_json::from_str(&closed).unwrap();
    for event in &events {
        for key in ["name", "ph", "ts", "pid", "tid"] {
            assert!(!event[key].is_null(), "{key} in {event}");
        }
    }
    events
}

/// When a test or a step has begun and ended, and its name.
type Bar = (u64, u64, String);

/// Those that have ended, by process and row.
fn bars(events: &[Value]) -> BTreeMap<(u64, u64), Vec<Bar>> {
    let number = |event: &Value, key| event[key].as_u64().unwrap();
    let (mut bars, mut begun) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
    for event in events {
        let row = (number(event, "pid"), number(event, "tid"));
        let (time, name) = (
            number(event, "ts"),
            event["name"].as_str().unwrap().to_owned(),
        );
        let bar = match event["ph"].as_str().unwrap() {
            "X" => (time, time + number(event, "dur"), name),
            "B" => {
                assert_eq!(begun.insert(row, (time, name)), None, "one test at a time");
                continue;
            }
            "E" => {
                let (begun, test) = begun.remove(&row).unwrap();
                assert_eq!(test, name);
                (begun, time, name)
            }
            _ => continue,
        };
        bars.entry(row).or_default().push(bar);
    }
    bars
}

fn assert_nested(events: &[Value]) {
    for (row, mut bars) in bars(events) {
        bars.sort();
        let mut around: Vec<Bar> = Vec::new();
        for bar in bars {
            around.retain(|outer| outer.1 > bar.0);
            let fits = |outer: &Bar| outer.0 < bar.0 && bar.1 < outer.1;
            assert!(
                around.iter().all(fits),
                "{bar:?} in {around:?}, row {row:?}"
            );
            around.push(bar);
        }
    }
}

fn steps(events: &[Value]) -> BTreeSet<&str> {
    let steps = events.iter().filter(|event| event["ph"] == "X");
    steps.filter_map(|event| event["name"].as_str()).collect()
}

/// The outcomes of a test.
fn outcomes<'e>(events: &'e [Value], test: &str) -> Vec<&'e str> {
    let ends = events.iter().filter(|event| event["ph"] == "E");
    let ours = ends.filter(|event| event["name"].as_str().unwrap().ends_with(test));
    ours.filter_map(|event| event["args"]["outcome"].as_str())
        .collect()
}

fn project() -> Project {
    let project = Project::new("lifecycle", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&[]);
    project
}

fn run<'p>(project: &'p Project, runner: Runner, file: &Path) -> Run<'p> {
    let run = project.run_without_engine(runner).on_local_servers();
    run.env("CONTAINER_TEST_IDLE", "5")
        .env("CONTAINER_TEST_TIMELINE", file.to_str().unwrap())
}

#[test]
fn threads_and_processes_of_several_runs_write_to_one_file_at_the_same_time() {
    let project = project();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("timeline.json");
    let suites = ["--test", "eight", "--test", "first"];
    let processes = run(&project, Runner::Nextest, &file).args(&suites).start();
    let threads = run(&project, Runner::CargoTest, &file)
        .args(&suites)
        .start();
    let (processes, threads) = (processes.finish(), threads.finish());
    assert!(processes.status.success(), "{}", processes.output);
    assert!(threads.status.success(), "{}", threads.output);

    let events = events(&file);
    assert_nested(&events);
    // None of them has seeds.
    let expected = [
        "body", "claim", "clone", "provider", "reset", "server", "template",
    ];
    assert_eq!(steps(&events), BTreeSet::from(expected));
    for test in ["eight::first", "first::a_body_may_panic_as_it_should"] {
        assert_eq!(outcomes(&events, test), ["passed", "passed"], "{test}");
    }
    let introduced = |name: &str, key: &str| -> BTreeSet<String> {
        let named = events.iter().filter(|event| event["name"] == name);
        named.map(|event| event["args"][key].to_string()).collect()
    };
    let programs = introduced("process_name", "name");
    assert_eq!(
        programs,
        ["\"eight\"", "\"first\""].map(str::to_owned).into()
    );
    assert_eq!(introduced("container_test_run", "run").len(), 2);
    for rows in ["\"tests 1\"", "\"background 1\""] {
        assert!(introduced("thread_name", "name").contains(rows), "{rows}");
    }
    // Of the tests that were not run beside others, each has a process of its own under nextest.
    let ids: BTreeSet<String> = events
        .iter()
        .map(|event| event["pid"].to_string())
        .collect();
    assert_eq!(ids.len(), 8 + 4 + 2);
    assert_eq!(processes.gone_within(DEADLINE).err(), None);
    assert_eq!(threads.gone_within(DEADLINE).err(), None);
}

#[test]
fn a_test_that_fails_or_is_killed_is_in_the_file() {
    let project = project();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("timeline.json");
    let mut hanging = run(&project, Runner::CargoTest, &file)
        .args(&["--test", "ends", "--", "--exact", "hangs"])
        .start();
    hanging.wait_for_mark().unwrap();
    hanging.kill();
    let killed = hanging.finish();
    let seen = events(&file);
    let begun = |event: &&Value| event["ph"] == "B" && event["name"] == "ends::hangs";
    assert_eq!(seen.iter().filter(begun).count(), 1, "{seen:#?}");
    assert_eq!(outcomes(&seen, "hangs"), [""; 0]);
    assert!(steps(&seen).contains("claim"), "{seen:#?}");

    let failed = run(&project, Runner::CargoTest, &file)
        .as_the_user_of(&killed)
        .args(&[
            "--test", "ends", "--", "--exact", "panics", "fails", "passes",
        ])
        .finish();
    let seen = events(&file);
    assert_nested(&seen);
    for (test, outcome) in [
        ("panics", "failed"),
        ("fails", "failed"),
        ("passes", "passed"),
    ] {
        assert_eq!(outcomes(&seen, test), [outcome], "{}", failed.output);
    }
    let interrupted = seen
        .iter()
        .filter(|event| event["args"]["outcome"] == "interrupted");
    let tests = interrupted.map(|event| (event["name"].as_str(), event["args"]["test"].as_str()));
    let expected = [(Some("body"), Some("ends::panics"))];
    assert_eq!(tests.collect::<Vec<_>>(), expected);
    assert_eq!(failed.gone_within(DEADLINE).err(), None);
}

#[test]
fn a_file_that_cannot_be_written_fails_the_tests_with_what_to_do() {
    let project = project();
    let nowhere = Path::new("/nonexistent/timeline.json");
    let failed = run(&project, Runner::CargoTest, nowhere)
        .args(&["--test", "ends", "--", "--exact", "passes"])
        .finish();
    for part in [
        "failed to write the timeline /nonexistent/timeline.json, which CONTAINER_TEST_TIMELINE names",
        "because: No such file or directory (os error 2)",
        "help: name a file that can be written, or unset the variable",
    ] {
        assert!(failed.output.contains(part), "{part}\n{}", failed.output);
    }
}
