//! What a run said, and what is left of it.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::POLL;
use crate::engine::{self, Engine};
use crate::local::Local;
use crate::processes;

/// A run that has ended.
#[derive(Debug)]
pub struct Finished<'a> {
    /// How the runner ended.
    pub status: ExitStatus,
    /// What the runner and the tests wrote.
    pub output: String,
    pub(super) ended: Instant,
    pub(super) engine: Option<&'a Engine>,
    pub(super) local: Option<Local>,
    pub(super) user: String,
    pub(super) directory: TempDir,
}

impl Finished<'_> {
    /// How many servers of a service were started for the run.
    #[must_use]
    pub fn servers(&self, service: &str) -> usize {
        if let Some(local) = &self.local {
            return local.servers(service);
        }
        let created = self.engine.map(|engine| engine.created(&self.user));
        let created = created.expect("a run on an engine");
        created.get(service).copied().unwrap_or_default()
    }

    /// How many containers were started for the run to prepare data directories.
    #[must_use]
    pub fn preparations(&self) -> usize {
        self.servers("")
    }

    /// The directory that local servers of the run had theirs in.
    #[must_use]
    pub fn data_directory(&self) -> Option<&Path> {
        self.local.as_ref().map(Local::directory)
    }

    /// Removes the run's containers by force; tells how many there were.
    #[must_use]
    pub fn remove_containers(&self) -> usize {
        engine::remove(&self.user, "")
    }

    /// What a test wrote under libtest, until the next one's part begins.
    #[must_use]
    pub fn said_by(&self, test: &str) -> &str {
        let head = format!("---- {test} stdout ----\n");
        let Some(start) = self.output.find(&head).map(|at| at + head.len()) else {
            return "";
        };
        let rest = &self.output[start..];
        let end = rest
            .find("\n---- ")
            .or_else(|| rest.find("\n\nfailures:"))
            .unwrap_or(rest.len());
        &rest[..end]
    }

    /// Waits until nothing is left of the run, and says how long after its end that was.
    ///
    /// # Errors
    ///
    /// What is left when the time is over.
    pub fn gone_within(&self, limit: Duration) -> Result<Duration, String> {
        loop {
            // Looking at all processes costs more than asking the engine.
            let gone = self.containers_left().is_empty() && self.left().is_empty();
            let after = self.ended.elapsed();
            if gone && after <= limit {
                return Ok(after);
            } else if after > limit {
                let left = self.left().join("\n  ");
                return Err(format!(
                    "{after:.1?} after the end there is still:\n  {left}"
                ));
            }
            sleep(POLL * 5);
        }
    }

    /// Containers, volumes, processes and files of the run that exist now.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let mut left = self.containers_left();
        let inherited = processes::with_variable("USER", &self.user);
        let contained = self.engine.map(|engine| engine.containers(&self.user));
        let contained = contained.map(|ids| processes::in_containers(&ids));
        let contained = contained.unwrap_or_default();
        let processes = inherited.into_iter().chain(contained);
        left.extend(
            processes.map(|process| format!("process {}: {}", process.id, process.command)),
        );
        left.extend(self.local.iter().flat_map(Local::left));
        let files = fs::read_dir(self.directory.path().join("tmp"))
            .expect("the directory for temporary files");
        left.extend(
            files
                .flatten()
                .map(|file| format!("file {}", file.path().display())),
        );
        left
    }

    fn containers_left(&self) -> Vec<String> {
        let left = self.engine.map(|engine| engine.left(&self.user));
        left.unwrap_or_default()
    }
}
