//! From trace events to the bars of each run.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::trace::{Event, Trace};

/// The categories of the events that this crate writes.
const TEST: &str = "container-test.test";
const STEP: &str = "container-test.step";

/// Tests that one command ran: its processes, some after each other, some at the same time.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Microseconds since the epoch.
    pub(super) start: f64,
    /// Microseconds.
    pub(super) length: f64,
    /// How many processes of tests there are.
    pub(super) processes: usize,
    pub(super) rows: Vec<Row>,
    pub(super) bars: Vec<Bar>,
}

/// A row: a thread of a process, or of several that ran after each other.
#[derive(Debug)]
pub(super) struct Row {
    /// Which processes these are.
    pub(super) group: String,
    pub(super) name: String,
    /// How many bars lie within each other at most.
    pub(super) levels: usize,
}

/// A test or a step.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) row: usize,
    pub(super) level: usize,
    /// Microseconds since the start of the run.
    pub(super) start: f64,
    pub(super) length: f64,
    /// The length without the bars that lie within it.
    pub(super) own: f64,
    pub(super) kind: Kind,
    /// The step, or the name of a test.
    pub(super) name: String,
    /// The service that a step is of.
    pub(super) of: String,
    /// The test that a step is of.
    pub(super) test: String,
    pub(super) outcome: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Test,
    Step,
    /// What others have written.
    Other,
}

impl Bar {
    fn end(&self) -> f64 {
        self.start + self.length
    }
}

/// A process, with its bars by thread.
#[derive(Debug, Default)]
struct Process {
    id: String,
    name: String,
    run: Option<String>,
    threads: BTreeMap<String, Thread>,
}

#[derive(Debug, Default)]
struct Thread {
    name: String,
    order: f64,
    bars: Vec<Bar>,
    /// Bars that have begun.
    open: Vec<Bar>,
}

/// Returns the runs in the order in which they began.
pub(super) fn of(traces: &[Trace]) -> Vec<Run> {
    let mut processes: Vec<Process> = traces.iter().flat_map(processes).collect();
    processes.retain(|process| process.bars().next().is_some());
    processes.sort_by(|a, b| a.start().total_cmp(&b.start()));
    let mut runs: Vec<(Option<String>, Vec<Process>)> = Vec::new();
    let (known, unknown): (Vec<_>, Vec<_>) = processes
        .into_iter()
        .partition(|process| process.run.is_some());
    for process in known {
        match runs.iter_mut().find(|(run, _)| *run == process.run) {
            Some((_, processes)) => processes.push(process),
            None => runs.push((process.run.clone(), vec![process])),
        }
    }
    // What others have written at that time.
    for process in unknown {
        let meets =
            |other: &Process| other.start() <= process.end() && process.start() <= other.end();
        match runs
            .iter_mut()
            .find(|(run, all)| run.is_none() || all.iter().any(meets))
        {
            Some((_, processes)) => processes.push(process),
            None => runs.push((None, vec![process])),
        }
    }
    let mut runs: Vec<Run> = runs
        .into_iter()
        .map(|(_, processes)| run(processes))
        .collect();
    runs.sort_by(|a, b| a.start.total_cmp(&b.start));
    runs
}

/// Gathers the events by process. A number that is introduced again is that of another process.
fn processes(trace: &Trace) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &trace.events {
        let known = latest.get(event.process.as_str()).copied();
        let starts = event.phase == "M" && event.name == "process_name";
        let index = match known {
            Some(index) if !(starts && processes[index].bars().next().is_some()) => index,
            _ => {
                latest.insert(&event.process, processes.len());
                processes.push(Process {
                    id: event.process.clone(),
                    ..Process::default()
                });
                processes.len() - 1
            }
        };
        processes[index].add(event);
    }
    for process in &mut processes {
        let end = process.end();
        for thread in process.threads.values_mut() {
            // How long these have lasted is not known.
            for bar in thread.open.drain(..) {
                thread.bars.push(Bar {
                    length: end - bar.start,
                    outcome: Some("not ended".to_owned()),
                    ..bar
                });
            }
        }
    }
    processes
}

impl Process {
    fn bars(&self) -> impl Iterator<Item = &Bar> {
        let threads = self.threads.values();
        threads.flat_map(|thread| thread.bars.iter().chain(&thread.open))
    }

    fn start(&self) -> f64 {
        self.bars().map(|bar| bar.start).fold(f64::MAX, f64::min)
    }

    fn end(&self) -> f64 {
        self.bars().map(Bar::end).fold(f64::MIN, f64::max)
    }

    fn add(&mut self, event: &Event) {
        let text = |key| {
            event
                .args
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        match (event.phase.as_str(), event.name.as_str()) {
            ("M", "process_name") => self.name = text("name").unwrap_or_default(),
            ("M", "container_test_run") => self.run = text("run"),
            ("M", "thread_name") => self.thread(event).name = text("name").unwrap_or_default(),
            ("M", "thread_sort_index") => {
                let order = event.args.get("sort_index").and_then(Value::as_f64);
                self.thread(event).order = order.unwrap_or_default();
            }
            ("X", _) => self.thread(event).bars.push(bar(event)),
            ("B", _) => self.thread(event).open.push(bar(event)),
            ("E", _) => self.thread(event).end(event),
            _ => {}
        }
    }

    fn thread(&mut self, event: &Event) -> &mut Thread {
        self.threads.entry(event.thread.clone()).or_default()
    }
}

impl Thread {
    /// Ends the bar that an event names, else the one that has begun last.
    fn end(&mut self, event: &Event) {
        let named = self.open.iter().rposition(|bar| bar.name == event.name);
        let Some(index) = named.or(self.open.len().checked_sub(1)) else {
            return;
        };
        let bar = self.open.remove(index);
        self.bars.push(Bar {
            length: (event.time - bar.start).max(0.0),
            outcome: outcome(event).or(bar.outcome),
            ..bar
        });
    }
}

fn bar(event: &Event) -> Bar {
    let text = |key| event.args.get(key).and_then(Value::as_str);
    Bar {
        row: 0,
        level: 0,
        start: event.time,
        length: event.length,
        own: 0.0,
        kind: match event.category.as_str() {
            TEST => Kind::Test,
            STEP => Kind::Step,
            _ => Kind::Other,
        },
        name: event.name.clone(),
        of: text("of").unwrap_or_default().to_owned(),
        test: text("test").unwrap_or_default().to_owned(),
        outcome: outcome(event),
    }
}

/// Returns how it ended. Nextest says it in words of its own.
fn outcome(event: &Event) -> Option<String> {
    let ours = event.args.get("outcome").and_then(Value::as_str);
    let status = || event.args.get("result")?.get("status")?.as_str();
    let theirs = || {
        Some(if status()? == "pass" {
            "passed"
        } else {
            "failed"
        })
    };
    ours.or_else(theirs).map(str::to_owned)
}

/// Lays the processes of a run out in rows.
fn run(mut processes: Vec<Process>) -> Run {
    // What others have written comes first.
    let place = |process: &Process| (process.run.is_some(), process.start());
    processes.sort_by(|a, b| place(a).partial_cmp(&place(b)).unwrap_or(Ordering::Equal));
    let ours = processes.iter().filter(|process| process.run.is_some());
    let number = match ours.count() {
        0 => processes.len(),
        ours => ours,
    };
    let start = processes
        .iter()
        .map(Process::start)
        .fold(f64::MAX, f64::min);
    let end = processes.iter().map(Process::end).fold(f64::MIN, f64::max);
    let mut run = Run {
        start,
        length: end - start,
        processes: number,
        ..Run::default()
    };
    for lane in lanes(processes) {
        let group = group(&lane);
        // Threads of one name share a row.
        let mut rows: Vec<(f64, String, Vec<Bar>)> = Vec::new();
        for (id, thread) in lane.into_iter().flat_map(|process| process.threads) {
            let name = if thread.name.is_empty() {
                format!("thread {id}")
            } else {
                thread.name
            };
            match rows.iter_mut().find(|row| row.1 == name) {
                Some(row) => row.2.extend(thread.bars),
                None => rows.push((thread.order, name, thread.bars)),
            }
        }
        rows.retain(|(_, _, bars)| !bars.is_empty());
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        for (_, name, bars) in rows {
            let bars = nested(bars, run.rows.len(), start);
            let levels = bars.iter().map(|bar| bar.level + 1).max().unwrap_or(1);
            run.rows.push(Row {
                group: group.clone(),
                name,
                levels,
            });
            run.bars.extend(bars);
        }
    }
    run
}

/// Puts processes that ran after each other into one lane: with a process per test, there are as many
/// lanes as tests at the same time.
fn lanes(processes: Vec<Process>) -> Vec<Vec<Process>> {
    let mut lanes: Vec<Vec<Process>> = Vec::new();
    for process in processes {
        let free = lanes.iter_mut().find(|lane| {
            let last = lane.last();
            last.is_some_and(|last| last.run == process.run && last.end() <= process.start())
        });
        match free {
            Some(lane) => lane.push(process),
            None => lanes.push(vec![process]),
        }
    }
    lanes
}

/// Returns what is said of the processes of a lane.
fn group(processes: &[Process]) -> String {
    let mut names: Vec<&str> = processes
        .iter()
        .map(|process| process.name.as_str())
        .collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let names = match names[..] {
        [] | [""] => "process".to_owned(),
        [one] => one.to_owned(),
        [one, two] => format!("{one}, {two}"),
        _ => format!("{} programs", names.len()),
    };
    match processes {
        [one] => format!("{names}, process {}", one.id),
        _ => format!("{names}, {} processes", processes.len()),
    }
}

/// Says of the bars of a row how deep they lie within each other, how long they are without those
/// within them, and when after the start they begin.
fn nested(mut bars: Vec<Bar>, row: usize, start: f64) -> Vec<Bar> {
    bars.sort_by(|a, b| {
        let longest_first = || b.length.total_cmp(&a.length);
        a.start.total_cmp(&b.start).then_with(longest_first)
    });
    let mut around: Vec<usize> = Vec::new();
    for index in 0..bars.len() {
        let begins = bars[index].start;
        around.retain(|&outer| bars[outer].end() > begins);
        let length = bars[index].length;
        if let Some(&outer) = around.last() {
            bars[outer].own = (bars[outer].own - length).max(0.0);
        }
        let bar = &mut bars[index];
        (bar.row, bar.level, bar.own) = (row, around.len(), length);
        around.push(index);
    }
    for bar in &mut bars {
        bar.start -= start;
    }
    bars
}

#[cfg(test)]
pub(super) mod tests;
