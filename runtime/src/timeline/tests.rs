#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::*;

fn timeline(path: &Path) -> Arc<Timeline> {
    let opened = Lines::open(path).map_err(|problem| problem.cause);
    Arc::new(Timeline::new(opened.unwrap()))
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.json");
    (directory, path)
}

/// The events of a file without its closing bracket.
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let closed = format!("{}]", text.trim_end().trim_end_matches(','));
    serde_json::from_str(&closed).unwrap()
}

/// What each event is called, its phase and its row.
fn told(events: &[Value]) -> Vec<String> {
    let told = |event: &Value| format!("{} {} {}", event["ph"], event["name"], event["tid"]);
    let told = events.iter().map(|event| told(event).replace('"', ""));
    told.collect()
}

#[test]
fn steps_are_in_the_row_of_their_test_and_what_comes_after_it_is_not() {
    let (_directory, path) = file();
    let timeline = timeline(&path);
    timeline.introduce("shop", "7");
    let mut test = timeline.test("shop::sells");
    let claim = timeline.step("claim", "postgres", test.parent());
    let mut clone = timeline.step("clone", "", claim.parent());
    clone.completed();
    drop((clone, claim));
    test.passed();
    drop(test);
    drop(timeline.step("reset", "postgres", Parent::after("shop::sells")));
    let events = events(&path);
    let expected = [
        "M process_name 1",
        "M container_test_run 1",
        "M thread_name 1",
        "M thread_sort_index 1",
        "B shop::sells 1",
        "X clone 1",
        "X claim 1",
        "E shop::sells 1",
        "M thread_name 2",
        "M thread_sort_index 2",
        "X reset 2",
    ];
    assert_eq!(told(&events), expected);
    assert_eq!(events[0]["args"], json!({"name": "shop"}));
    assert_eq!(events[2]["args"], json!({"name": "tests 1"}));
    assert_eq!(events[5]["args"], json!({"test": "shop::sells"}));
    let claim = json!({"test": "shop::sells", "of": "postgres", "outcome": "interrupted"});
    assert_eq!(events[6]["args"], claim);
    assert_eq!(events[7]["args"], json!({"outcome": "passed"}));
    assert_eq!(events[8]["args"], json!({"name": "background 1"}));
    let time = |event: &Value, key| event[key].as_u64().unwrap();
    let (clone, claim) = (&events[5], &events[6]);
    assert!(time(claim, "ts") < time(clone, "ts"));
    let end = |event| time(event, "ts") + time(event, "dur");
    assert!(end(clone) < end(claim) && end(claim) < time(&events[7], "ts"));
    for event in &events {
        for key in ["name", "ph", "ts", "pid", "tid"] {
            assert!(!event[key].is_null(), "{event}");
        }
    }
}

#[test]
fn what_happens_at_the_same_time_has_rows_of_its_own_which_are_free_afterwards() {
    let (_directory, path) = file();
    let timeline = timeline(&path);
    let test = timeline.test("a");
    let postgres = timeline.step("server", "postgres", test.parent());
    let redis = timeline.step("server", "redis", test.parent());
    drop((postgres, redis));
    drop(timeline.step("claim", "redis", test.parent()));
    let beside = timeline.test("b");
    drop(test);
    drop((timeline.test("c"), beside));
    let steps: Vec<Value> = events(&path);
    let steps = steps.into_iter().filter(|event| event["ph"] != "M");
    let expected = [
        "B a 1",
        "X server 1",
        "X server 2",
        "X claim 1",
        "B b 2",
        "E a 1",
        "B c 1",
        "E c 1",
        "E b 2",
    ];
    assert_eq!(told(&steps.collect::<Vec<_>>()), expected);
}

#[test]
fn many_write_to_one_file_at_the_same_time() {
    let (_directory, path) = file();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let timeline = timeline(&path);
                for _ in 0..50 {
                    drop(timeline.test("a"));
                }
            });
        }
    });
    let tests = events(&path);
    let tests = tests.iter().filter(|event| event["ph"] != "M");
    assert_eq!(tests.count(), 8 * 50 * 2);
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let (_directory, path) = file();
    for (text, cause) in [
        ("# Shop\n", "there is something else in the file"),
        ("[package]\n", "there is something else in the file"),
        (
            "[\n{}\n]\n",
            "the list of events in the file is closed by `]`",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let refused = Lines::open(&path).err().unwrap();
        assert_eq!(refused.cause, cause);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let nowhere = path.join("timeline.json");
    assert!(Lines::open(&nowhere).is_err());
}

#[test]
fn a_line_that_was_cut_short_does_not_spoil_the_next() {
    let (_directory, path) = file();
    fs::write(&path, "[\n{\"name\":").unwrap();
    drop(timeline(&path).test("a"));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "{\"name\":");
    assert!(lines[2].starts_with("{\"name\":\"thread_name\""), "{text}");
}
