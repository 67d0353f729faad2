//! Processes that belong to a run: those that inherited its environment, and those of its
//! containers where the engine runs on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The script that servers run under: too long to be shown.
const WATCHDOG: &str = include_str!("../../runtime/src/lifecycle/watchdog.sh");

/// A process.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Its command line.
    pub command: String,
}

/// The processes that have this variable in their environment.
#[must_use]
pub fn with_variable(name: &str, value: &str) -> Vec<Process> {
    let wanted = format!("{name}={value}");
    find(|directory| {
        let environment = fs::read(directory.join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    })
}

/// The processes in these containers, and those that the engine runs for them.
#[must_use]
pub fn in_containers(ids: &BTreeSet<String>) -> Vec<Process> {
    find(|directory| {
        let group = fs::read_to_string(directory.join("cgroup")).unwrap_or_default();
        let command = command_line(directory);
        ids.iter()
            .any(|id| group.contains(id.as_str()) || command.contains(id.as_str()))
    })
}

/// The processes that were started with something in this directory, or write to a file in it.
#[must_use]
pub fn within(path: &Path) -> Vec<Process> {
    let prefix = format!("{}/", path.display());
    find(|directory| {
        command_line(directory).contains(&prefix)
            || ["cwd", "fd/1", "fd/2"].iter().any(|link| {
                let target = fs::read_link(directory.join(link));
                target.is_ok_and(|target| target.starts_with(path))
            })
    })
}

/// Sends a signal to processes, or to process groups with a minus sign before the number.
pub fn signal(signal: &str, ids: &[String]) {
    // Some of them may have ended meanwhile.
    let _ = Command::new("kill")
        .arg("-s")
        .arg(signal)
        .arg("--")
        .args(ids)
        .output();
}

fn find(matches: impl Fn(&Path) -> bool) -> Vec<Process> {
    let processes = fs::read_dir("/proc").expect("/proc lists the processes");
    let numbered = processes.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        Some((id, entry.path()))
    });
    numbered
        .filter(|(id, path)| *id != std::process::id() && !is_dead(path) && matches(path))
        .map(|(id, path)| Process {
            id,
            command: command_line(&path),
        })
        .collect()
}

/// Whether the process has ended, and only its parent has not looked yet.
fn is_dead(directory: &Path) -> bool {
    let status = fs::read_to_string(directory.join("status")).unwrap_or_default();
    status.is_empty() || status.contains("\nState:\tZ")
}

fn command_line(directory: &Path) -> String {
    let line = fs::read(directory.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line)
        .replace(WATCHDOG, "…")
        .replace('\0', " ")
}
