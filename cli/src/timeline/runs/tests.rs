#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use super::super::trace;
use super::*;

/// The runs of events, each as: phase, name, process, row, time, and its length or outcome.
pub(in super::super) fn runs(events: &[(&str, &str, u32, u32, u32, u32)]) -> Vec<Run> {
    let event = |&(phase, name, process, thread, time, length): &(&str, &str, _, _, _, _)| {
        let category = match phase {
            "X" => STEP,
            _ => TEST,
        };
        let args = match phase {
            "M" => serde_json::json!({"name": "shop", "run": "1"}),
            "E" if length > 0 => serde_json::json!({"outcome": "failed"}),
            "E" => serde_json::json!({"outcome": "passed"}),
            _ => serde_json::json!({"test": "shop::sells", "of": "redis"}),
        };
        serde_json::json!({
            "name": name, "cat": category, "ph": phase, "ts": time, "dur": length,
            "pid": process, "tid": thread, "args": args,
        })
    };
    let events: Vec<Value> = events.iter().map(event).collect();
    let text = Value::Array(events).to_string();
    of(&[trace::parse(&text).unwrap()])
}

fn laid_out(run: &Run) -> Vec<(&str, usize, usize, f64, f64)> {
    let bars = run.bars.iter();
    bars.map(|bar| (bar.name.as_str(), bar.row, bar.level, bar.start, bar.length))
        .collect()
}

#[test]
fn bars_lie_within_each_other_and_processes_after_each_other_in_one_row() {
    let runs = runs(&[
        ("M", "process_name", 7, 1, 0, 0),
        ("M", "container_test_run", 7, 1, 0, 0),
        ("B", "a", 7, 1, 100, 0),
        ("X", "clone", 7, 1, 120, 10),
        ("X", "claim", 7, 1, 110, 30),
        ("X", "body", 7, 1, 145, 5),
        ("E", "a", 7, 1, 160, 0),
        ("M", "process_name", 8, 1, 0, 0),
        ("M", "container_test_run", 8, 1, 0, 0),
        ("B", "b", 8, 1, 150, 0),
        ("E", "b", 8, 1, 170, 0),
        ("M", "process_name", 7, 1, 0, 0),
        ("M", "container_test_run", 7, 1, 0, 0),
        ("B", "c", 7, 1, 200, 0),
        ("E", "c", 7, 1, 230, 9),
    ]);
    let [run] = &runs[..] else {
        panic!("{runs:#?}");
    };
    let expected = [
        ("a", 0, 0, 0.0, 60.0),
        ("claim", 0, 1, 10.0, 30.0),
        ("clone", 0, 2, 20.0, 10.0),
        ("body", 0, 1, 45.0, 5.0),
        ("c", 0, 0, 100.0, 30.0),
        ("b", 1, 0, 50.0, 20.0),
    ];
    assert_eq!(laid_out(run), expected);
    assert_eq!((run.start, run.length, run.processes), (100.0, 130.0, 3));
    let groups: Vec<&str> = run.rows.iter().map(|row| row.group.as_str()).collect();
    assert_eq!(groups, ["shop, 2 processes", "shop, process 8"]);
    assert_eq!(run.rows[0].levels, 3);
    let own: Vec<f64> = run.bars.iter().map(|bar| bar.own).collect();
    assert_eq!(own, [25.0, 20.0, 10.0, 5.0, 30.0, 20.0]);
    assert_eq!(run.bars[4].outcome.as_deref(), Some("failed"));
}

#[test]
fn a_test_that_was_killed_ends_with_what_is_known_of_its_process() {
    let runs = runs(&[("B", "a", 7, 1, 100, 0), ("X", "claim", 7, 1, 110, 30)]);
    let bars = &runs[0].bars;
    assert_eq!((bars[0].name.as_str(), bars[0].length), ("a", 40.0));
    assert_eq!(bars[0].outcome.as_deref(), Some("not ended"));
}
