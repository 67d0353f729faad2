//! `timeline`: from files with trace events to a page, and to totals.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// What a process has written that was killed while it wrote: a test, a part of it, and half a line.
const KILLED: &str = r#"[
{"name":"process_name","cat":"__metadata","ph":"M","ts":1000,"pid":7,"tid":1,"args":{"name":"shop"}},
{"name":"container_test_run","cat":"__metadata","ph":"M","ts":1001,"pid":7,"tid":1,"args":{"run":"1"}},
{"name":"shop::sells","cat":"container-test.test","ph":"B","ts":1002,"pid":7,"tid":1,"args":{}},
{"name":"claim","cat":"container-test.step","ph":"X","ts":1003,"dur":4000,"pid":7,"tid":1,"args":{"of":"postgres","test":"shop::sells"}},
{"name":"bo"#;

/// A trace as nextest exports it.
const NEXTEST: &str = r#"{"traceEvents":[
{"name":"process_name","cat":"","ph":"M","ts":0.0,"pid":2,"tid":0,"args":{"name":"shop"}},
{"name":"thread_name","cat":"","ph":"M","ts":0.0,"pid":2,"tid":10000,"args":{"name":"slot-0"}},
{"name":"sells","cat":"test","ph":"B","ts":900.0,"pid":2,"tid":10000,"args":{"binary_id":"shop"}},
{"name":"concurrency","cat":"run","ph":"C","ts":900.0,"pid":0,"tid":0,"args":{"running_tests":1}},
{"name":"sells","cat":"test","ph":"E","ts":6000.0,"pid":2,"tid":10000,"args":{"result":{"status":"fail"}}}
],"displayTimeUnit":"ms"}"#;

fn timeline(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-container-test"));
    command.args(["container-test", "timeline"]).args(arguments);
    command.current_dir(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_page_is_written_beside_the_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.json"), KILLED).unwrap();
    let written = timeline(directory.path(), &["run.json"]);
    let said = "1 test in 0.0 s, 1 did not end\nwrote run.html; open it in a browser\n";
    assert_eq!(text(&written.stdout), said);
    let warned = "warning: left out what is cut short (1 line)\n";
    assert_eq!(text(&written.stderr), warned);
    let page = fs::read_to_string(directory.path().join("run.html")).unwrap();
    assert!(page.contains("\"shop::sells\""), "{page}");

    let named = timeline(directory.path(), &["run.json", "--output", "other.html"]);
    assert!(named.status.success());
    assert!(directory.path().join("other.html").is_file());
}

#[test]
fn totals_are_printed_as_json_and_a_trace_of_nextest_is_not_counted_twice() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.json"), KILLED).unwrap();
    fs::write(directory.path().join("nextest.json"), NEXTEST).unwrap();
    let printed = timeline(directory.path(), &["run.json", "nextest.json", "--json"]);
    let totals: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let runs = totals["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "{totals:#}");
    assert_eq!(runs[0]["tests"]["count"], 1);
    assert_eq!(runs[0]["tests"]["not_ended"], 1);
    assert_eq!(runs[0]["steps"][0]["step"], "claim");
    assert_eq!(runs[0]["steps"][0]["median_ms"], 4.0);
    assert_eq!(runs[0]["ms"], 5.1, "from the first event of nextest's on");
    assert!(!directory.path().join("run.html").exists());
}

#[test]
fn a_reader_may_have_read_enough() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.json"), KILLED).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-container-test"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command
        .args(["timeline", "run.json", "--json"])
        .stdout(writer);
    let printed = command.current_dir(directory.path()).output().unwrap();
    assert!(printed.status.success(), "{}", text(&printed.stderr));
}

#[test]
fn what_is_no_timeline_is_refused_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes.md"), "# Notes\n").unwrap();
    fs::write(directory.path().join("run.html"), KILLED).unwrap();
    let cases: [(&[&str], [&str; 3]); 3] = [
        (
            &["notes.md"],
            [
                "error: failed to read the timeline notes.md",
                "because: line 1: ",
                "help: give a file that CONTAINER_TEST_TIMELINE has named",
            ],
        ),
        (
            &["missing.json"],
            [
                "error: failed to read the timeline missing.json",
                "because: No such file or directory",
                "help: run tests with CONTAINER_TEST_TIMELINE=FILE first",
            ],
        ),
        (
            &["run.html"],
            [
                "error: failed to write the page run.html",
                "because: it is the file with the events",
                "help: name another file with --output",
            ],
        ),
    ];
    for (arguments, parts) in cases {
        let refused = timeline(directory.path(), arguments);
        assert_eq!(refused.status.code(), Some(1));
        for part in parts {
            assert!(
                text(&refused.stderr).contains(part),
                "{part}\n{}",
                text(&refused.stderr)
            );
        }
    }
    let events = fs::read_to_string(directory.path().join("run.html")).unwrap();
    assert_eq!(events, KILLED);
}
