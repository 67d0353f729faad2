//! The log of a local server.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use crate::service::ServerLog;

/// The log in a server's directory.
#[derive(Clone, Debug)]
pub(super) struct LocalLog(PathBuf);

impl LocalLog {
    /// Returns the log of the server that has this directory.
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self(directory.join("log"))
    }

    /// Returns the path of the file. The server holds a lock on it for as long as it runs.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the last lines; nothing if the file cannot be read.
    pub(super) fn last(&self, lines: usize) -> String {
        let log = fs::read(&self.0).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl ServerLog for LocalLog {
    fn tail(&self, lines: usize) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(std::future::ready(self.last(lines)))
    }
}
