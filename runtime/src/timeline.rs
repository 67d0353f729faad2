//! What happens when, for `CONTAINER_TEST_TIMELINE`: the steps of all tests as trace events, in the
//! JSON array format of Chrome's trace viewer, which other viewers read as well.
//!
//! All processes of a run append to one file. An event is a line, written by one call, and the format
//! does without the closing `]`: a process that is killed leaves a file that can be loaded.

mod file;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value, json};

use self::file::Lines;
use crate::config::{self, Config};
use crate::{Error, Result};

/// Categories of the events: of whole tests, and of their steps.
const TEST: &str = "container-test.test";
const STEP: &str = "container-test.step";

/// What came of opening the file: nothing if the environment names none.
static CURRENT: OnceLock<Result<Option<Arc<Timeline>>, file::Problem>> = OnceLock::new();

/// Opens the file that the environment names, once per process.
pub(crate) fn open(config: &Config) -> Result<()> {
    let opened = CURRENT.get_or_init(|| {
        let Some(path) = config.timeline() else {
            return Ok(None);
        };
        let run = match config.test_run() {
            Some(run) => run.to_owned(),
            // All test programs of one `cargo test` have the same parent.
            None => std::os::unix::process::parent_id().to_string(),
        };
        let timeline = Timeline::new(Lines::open(&path)?);
        timeline.introduce(&program_name(), &run);
        Ok(Some(Arc::new(timeline)))
    });
    match opened {
        Ok(_) => Ok(()),
        Err(problem) => Err(Error::new(format!(
            "write the timeline {}, which CONTAINER_TEST_TIMELINE names",
            problem.path.display()
        ))
        .because(problem.cause.as_str())
        .with_help(problem.help)),
    }
}

/// Returns the timeline of this process, if the environment asks for one.
pub(crate) fn current() -> Option<&'static Arc<Timeline>> {
    CURRENT.get()?.as_ref().ok()?.as_ref()
}

/// Returns the name of the running program, without the hash that Cargo adds.
fn program_name() -> String {
    let program = config::program();
    let program = std::fs::read_link(&program).unwrap_or(program);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => name.into_owned(),
    }
}

/// The timeline of a process.
pub(crate) struct Timeline {
    lines: Lines,
    /// A moment by both clocks: one says when it is, the other never steps back.
    began: (Instant, Duration),
    /// The time that was given last, in microseconds. Each is given once: viewers nest events by
    /// their times, and guess about equal ones.
    latest: AtomicU64,
    /// For each row whether something is in it.
    rows: Mutex<Vec<(Kind, bool)>>,
}

/// What is in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tests,
    Background,
}

/// A row of the timeline, which viewers call a thread. The next test of a process takes a row that
/// is free, so that there are as many as tests that run at the same time.
struct Row {
    timeline: Arc<Timeline>,
    number: usize,
}

impl Drop for Row {
    fn drop(&mut self) {
        self.timeline.rows()[self.number].1 = false;
    }
}

/// What a step is part of: a test, and another step that has not ended.
#[derive(Clone, Default)]
pub(crate) struct Parent {
    test: Option<Arc<str>>,
    around: Option<Arc<Around>>,
}

/// A test or a step that has not ended.
struct Around {
    row: Arc<Row>,
    /// Whether a step runs within it. A row shows one at a time.
    busy: AtomicBool,
}

/// A test or a step that has begun. Its end is when this is dropped.
pub(crate) struct Span {
    category: &'static str,
    name: String,
    args: Map<String, Value>,
    begun: u64,
    /// How it ends, if that is worth a word.
    outcome: Option<&'static str>,
    test: Option<Arc<str>>,
    here: Arc<Around>,
    /// What shows this as the one step within it.
    within: Option<Arc<Around>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    cat: &'a str,
    ph: &'a str,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: u32,
    tid: usize,
    args: &'a Map<String, Value>,
}

impl Timeline {
    fn new(lines: Lines) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            lines,
            began: (Instant::now(), since.unwrap_or_default()),
            latest: AtomicU64::new(0),
            rows: Mutex::default(),
        }
    }

    /// Begins a test. Its event is written now: a test that is killed is in the file.
    pub(crate) fn test(self: &Arc<Self>, name: &str) -> Span {
        let (row, mut lines) = self.row(Kind::Tests);
        let mut span = self.span(TEST, name, row, None);
        (span.test, span.outcome) = (Some(name.into()), Some("failed"));
        lines += &span.line("B", span.begun, None);
        self.lines.write(&lines);
        span
    }

    /// Begins a step of what it is part of, named after a service or nothing.
    pub(crate) fn step(self: &Arc<Self>, word: &str, of: &str, parent: Parent) -> Span {
        let Parent { test, around } = parent;
        let kind = match around {
            Some(_) => Kind::Tests,
            None => Kind::Background,
        };
        let within = around.filter(|around| !around.busy.swap(true, Ordering::AcqRel));
        let row = if let Some(around) = &within {
            Arc::clone(&around.row)
        } else {
            let (row, lines) = self.row(kind);
            self.lines.write(&lines);
            row
        };
        let mut span = self.span(STEP, word, row, within);
        span.outcome = Some("interrupted");
        if !of.is_empty() {
            span.args.insert("of".to_owned(), of.into());
        }
        if let Some(test) = &test {
            span.args.insert("test".to_owned(), test.as_ref().into());
        }
        span.test = test;
        span
    }

    fn span(
        &self,
        category: &'static str,
        name: &str,
        row: Arc<Row>,
        within: Option<Arc<Around>>,
    ) -> Span {
        let busy = AtomicBool::new(false);
        Span {
            category,
            name: name.to_owned(),
            args: Map::new(),
            begun: self.time(),
            outcome: None,
            test: None,
            here: Arc::new(Around { row, busy }),
            within,
        }
    }

    /// Returns a free row, with the lines that introduce it if it is a new one.
    fn row(self: &Arc<Self>, kind: Kind) -> (Arc<Row>, String) {
        let mut lines = String::new();
        let mut rows = self.rows();
        let free = rows.iter().position(|row| *row == (kind, false));
        let number = free.unwrap_or_else(|| {
            let same = rows.iter().filter(|row| row.0 == kind).count();
            let (word, index) = match kind {
                Kind::Tests => ("tests", same),
                Kind::Background => ("background", same + 1_000),
            };
            let name = json!(format!("{word} {}", same + 1));
            lines += &self.metadata("thread_name", "name", name, rows.len());
            lines += &self.metadata("thread_sort_index", "sort_index", json!(index), rows.len());
            rows.push((kind, false));
            rows.len() - 1
        });
        rows[number].1 = true;
        drop(rows);
        let timeline = Arc::clone(self);
        (Arc::new(Row { timeline, number }), lines)
    }

    /// Writes whose events follow, and in which run.
    fn introduce(&self, program: &str, run: &str) {
        let name = self.metadata("process_name", "name", json!(program), 0);
        let run = self.metadata("container_test_run", "run", json!(run), 0);
        self.lines.write(&(name + &run));
    }

    fn metadata(&self, name: &str, key: &str, value: Value, row: usize) -> String {
        let args = Map::from_iter([(key.to_owned(), value)]);
        line(&Event {
            name,
            cat: "__metadata",
            ph: "M",
            ts: self.time(),
            dur: None,
            pid: std::process::id(),
            tid: row + 1,
            args: &args,
        })
    }

    /// Returns the time since the epoch in microseconds, later than the one before.
    fn time(&self) -> u64 {
        let (began, since_epoch) = self.began;
        let now = (since_epoch + began.elapsed()).as_micros();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let later = |latest: u64| Some(now.max(latest + 1));
        let before = self
            .latest
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, later);
        now.max(before.unwrap_or_default() + 1)
    }

    fn rows(&self) -> MutexGuard<'_, Vec<(Kind, bool)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Span {
    /// Returns what steps within this one are part of.
    pub(crate) fn parent(&self) -> Parent {
        Parent {
            test: self.test.clone(),
            around: Some(Arc::clone(&self.here)),
        }
    }

    /// Notes that a test has passed: else it has failed.
    pub(crate) fn passed(&mut self) {
        self.outcome = Some("passed");
    }

    /// Notes that a step has come to its end: else it was interrupted, by a panic for example.
    pub(crate) fn completed(&mut self) {
        self.outcome = None;
    }

    fn line(&self, ph: &str, ts: u64, dur: Option<u64>) -> String {
        line(&Event {
            name: &self.name,
            cat: self.category,
            ph,
            ts,
            dur,
            pid: std::process::id(),
            tid: self.here.row.number + 1,
            args: &self.args,
        })
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.args.insert("outcome".to_owned(), outcome.into());
        }
        let timeline = &self.here.row.timeline;
        let ended = timeline.time();
        timeline.lines.write(&match self.category {
            TEST => self.line("E", ended, None),
            _ => self.line("X", self.begun, Some(ended - self.begun)),
        });
        if let Some(around) = &self.within {
            around.busy.store(false, Ordering::Release);
        }
    }
}

impl Parent {
    /// Returns what the work belongs to that comes after a test.
    pub(crate) fn after(test: &str) -> Self {
        Self {
            test: Some(test.into()),
            around: None,
        }
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parent").field(&self.test).finish()
    }
}

fn line(event: &Event<'_>) -> String {
    // Nothing in an event keeps it from being JSON.
    let event = serde_json::to_string(event).unwrap_or_default();
    format!("{event},\n")
}

#[cfg(test)]
mod tests;
