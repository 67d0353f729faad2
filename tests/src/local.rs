//! Servers from programs of this machine: which ones a run started, and what is left of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::processes::{self, Process};

/// How often is looked which servers run: each runs for seconds.
const POLL: Duration = Duration::from_millis(100);

/// The servers whose directories are in this one, recorded from now on.
#[derive(Debug)]
pub struct Local {
    directory: PathBuf,
    /// Shared memory of others, whose creators had numbers that may be used again.
    memory_before: BTreeSet<String>,
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The service of every server, by its port and its directory.
    servers: BTreeMap<(String, String), String>,
    processes: BTreeSet<u32>,
}

impl Local {
    /// Records the servers in this directory from now on.
    #[must_use]
    pub fn watch(directory: &Path) -> Self {
        let local = Self {
            directory: directory.to_owned(),
            memory_before: memory().map(|(id, _)| id).collect(),
            seen: Arc::default(),
            ended: Arc::default(),
        };
        let (directory, seen) = (local.directory.clone(), Arc::clone(&local.seen));
        let ended = Arc::clone(&local.ended);
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                look(&directory, &seen);
                thread::sleep(POLL);
            }
        });
        local
    }

    /// The directory that the servers have theirs in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many servers of a service were seen.
    #[must_use]
    pub fn servers(&self, service: &str) -> usize {
        // The last one may be younger than the last look.
        look(&self.directory, &self.seen);
        let seen = lock(&self.seen);
        seen.servers.values().filter(|of| *of == service).count()
    }

    /// Whether a server of the service runs, ready or not.
    #[must_use]
    pub fn has_started(&self, service: &str) -> bool {
        self.servers(service) > 0
    }

    /// What runs of a server that has this in its command line.
    pub(crate) fn processes(&self, part: &str) -> Vec<Process> {
        let mut processes = look(&self.directory, &self.seen);
        processes.retain(|process| process.command.contains(part));
        processes
    }

    /// Processes, shared memory and files that exist now, for people.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let processes = look(&self.directory, &self.seen);
        let mut left: Vec<String> = processes
            .iter()
            .map(|process| format!("process {}: {}", process.id, process.command))
            .collect();
        let files = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        left.extend(files.map(|file| format!("file {}", file.path().display())));
        let seen = lock(&self.seen);
        let ours = memory().filter(|(id, creator)| {
            seen.processes.contains(creator) && !self.memory_before.contains(id)
        });
        left.extend(ours.map(|(id, creator)| format!("shared memory {id} of process {creator}")));
        left
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// The segments of shared memory, with the processes that made them.
fn memory() -> impl Iterator<Item = (String, u32)> {
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.to_owned(), words.nth(2)?.parse().ok()?))
    };
    let segments: Vec<_> = segments.lines().skip(1).filter_map(of_line).collect();
    segments.into_iter()
}

/// Records what runs now.
fn look(directory: &Path, seen: &Mutex<Seen>) -> Vec<Process> {
    let processes = processes::within(directory);
    let mut seen = lock(seen);
    for process in &processes {
        seen.processes.insert(process.id);
        if let Some((port, home)) = watched(&process.command) {
            let service = ["postgres", "redis"]
                .into_iter()
                .find(|service| home.contains(&format!("/container-test-{service}-")));
            let service = service.unwrap_or(home).to_owned();
            seen.servers
                .insert((port.to_owned(), home.to_owned()), service);
        }
    }
    processes
}

/// The port and the directory of the server that a watchdog runs.
fn watched(command: &str) -> Option<(&str, &str)> {
    let (_, arguments) = command.split_once(" container-test-watchdog ")?;
    let mut words = arguments.split_whitespace();
    Some((words.next()?, words.nth(3)?))
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
