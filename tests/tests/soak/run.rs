//! One run, and what happens to it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::processes;

use crate::checkout::Environment;
use crate::plan::{Event, Planned};

/// The variable by which the processes of a run are found; tests write its value.
const RUN: &str = "SOAK_RUN";

/// How long a run is stopped: longer than any look of processes at each other takes, and than a
/// server stays without a connection.
const STOPPED: Duration = Duration::from_secs(15);

/// Longest time that a run may take.
const LONGEST: Duration = Duration::from_secs(90);

/// How often is looked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// What a run has come to.
pub(crate) struct Ended {
    /// Whether what was planned happened before its end.
    pub(crate) happened: bool,
    pub(crate) failure: Option<String>,
}

/// Runs a command as planned.
pub(crate) fn carry_out(
    mut command: Command,
    planned: Planned,
    environment: &Environment,
) -> Ended {
    let name = format!("{}-{}", environment.user(), planned.number);
    let output = tempfile::NamedTempFile::new().unwrap();
    let begun = Instant::now();
    let mut child = start(&mut command, &name, output.as_file());
    let event = (planned.event != Event::Nothing).then_some(planned.after);
    let mut ended = wait(&mut child, event.unwrap_or(LONGEST));
    let happened = ended.is_none();
    if happened && planned.event == Event::Stop {
        signal("STOP", &name);
        sleep(STOPPED);
        signal("CONT", &name);
        ended = wait(&mut child, LONGEST);
    }
    if ended.is_none() {
        kill(&name);
        ended = None;
        let _ = child.wait();
    }
    let said = fs::read(output.path()).unwrap();
    let said = String::from_utf8_lossy(&said);
    let passed = ended.is_some_and(|status| status.success())
        && (said.contains("ok. 20 passed") || said.contains("20 tests run: 20 passed"))
        && !said.contains("LEAK");
    let may_fail = happened && planned.event == Event::Kill;
    let failed = said.contains("FOREIGN MARKER") || !(passed || may_fail);
    let failure = failed.then(|| {
        let took = begun.elapsed();
        format!("{planned:?} ended with {ended:?} after {took:.1?} and said:\n{said}")
    });
    Ended { happened, failure }
}

fn start(command: &mut Command, name: &str, output: &File) -> Child {
    command
        .env(RUN, name)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .spawn()
        .unwrap()
}

/// Waits for the end of a process, if it ends in time.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let since = Instant::now();
    while since.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        sleep(POLL);
    }
    None
}

/// Kills all processes of a run, also those that another one was about to start.
fn kill(name: &str) {
    while signal("KILL", name) > 0 {}
}

/// Sends a signal to all processes of a run; returns how many there were.
fn signal(signal: &str, name: &str) -> usize {
    let processes = processes::with_variable(RUN, name);
    let ids: Vec<String> = processes
        .iter()
        .map(|process| process.id.to_string())
        .collect();
    if !ids.is_empty() {
        processes::signal(signal, &ids);
    }
    ids.len()
}
