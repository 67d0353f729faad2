//! The log of a container that is started: how its program ends, and what an error shows.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;
use tokio::time::timeout;

use crate::lifecycle::watchdog;
use crate::provider::docker::engine::Library;
use crate::provider::docker::wait::LOG_LINES;

/// How long what a program wrote last may come after the news of its end.
const REST: Duration = Duration::from_millis(300);

/// The end of a log that is followed.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<u8>>);

impl Log {
    /// Follows the log until the container's program has ended; returns how it ended.
    pub(super) async fn follow(&self, engine: &Library, container: &str, watched: bool) -> String {
        let options = LogsOptionsBuilder::new()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        let mut log = std::pin::pin!(engine.api().logs(container, Some(options)));
        let end = loop {
            match log.next().await {
                Some(Ok(part)) => {
                    let part = part.into_bytes();
                    self.add(&part);
                    let text = String::from_utf8_lossy(&part);
                    if watched && text.contains(watchdog::ENDED) {
                        let words = text.rsplit(watchdog::LOG_PREFIX).next();
                        break words.unwrap_or(&text).trim().to_owned();
                    }
                }
                None if !watched => return "its program has ended".to_owned(),
                // Whether the container has ended is for others to say.
                Some(Err(_)) | None => return std::future::pending().await,
            }
        };
        // Both outputs come in the order that the engine reads them in.
        let rest = async {
            while let Some(Ok(part)) = log.next().await {
                self.add(&part.into_bytes());
            }
        };
        let _ = timeout(REST, rest).await;
        end
    }

    fn add(&self, part: &[u8]) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(part);
    }

    /// Returns the last lines so far.
    pub(super) fn tail(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}
