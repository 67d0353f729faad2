//! A server that runs, as people see it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::service::{Endpoint, ServerLog};
use crate::{Error, Result};

/// A server that runs.
pub struct RunningServer {
    /// The name of its service.
    pub service: String,
    /// The name of its provider, as in `CONTAINER_TEST_PROVIDER`.
    pub provider: &'static str,
    /// The container's id, the directory of a local server, or the URL without its password.
    pub name: String,
    /// How long it has been running; not known of a server given by URL.
    pub age: Option<Duration>,
    /// How it is reached; nothing if it has no password of ours, or is about to end.
    pub(crate) endpoint: Option<Endpoint>,
    pub(super) log: Arc<dyn ServerLog>,
    /// How it is ended; nothing if it is not ours to end.
    pub(super) end: Option<Box<dyn End>>,
}

/// Ends a server.
pub(super) trait End: Send + Sync {
    /// Ends it with all that it has; returns whether it has ended.
    fn end(&self) -> Pin<Box<dyn Future<Output = Result<bool>> + Send + '_>>;
}

impl RunningServer {
    /// Returns the last lines of its log; nothing if they cannot be read.
    pub async fn log_tail(&self, lines: usize) -> String {
        self.log.tail(lines).await
    }

    /// Ends it with all that it has, even if processes use it; returns whether it is ours to end.
    ///
    /// # Errors
    ///
    /// If it still runs.
    pub async fn end(&self) -> Result<bool> {
        let Some(end) = &self.end else {
            return Ok(false);
        };
        if end.end().await? {
            return Ok(true);
        }
        Err(
            Error::new(format!("end the {} server {}", self.service, self.name))
                .because("it still runs")
                .with_help("its log may say why: `cargo container-test logs`"),
        )
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer")
            .field("service", &self.service)
            .field("provider", &self.provider)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a test has of a server, or a failed one has left to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct RunningTest {
    /// The test's path.
    pub test: String,
    /// What it has, such as a database, by its name.
    pub slot: String,
    /// Where that is, for clients, with the password.
    pub url: String,
    /// Whether the test has failed, and this is retained.
    pub retained: bool,
}

impl fmt::Debug for RunningTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL has the password.
        f.debug_struct("RunningTest")
            .field("test", &self.test)
            .field("slot", &self.slot)
            .field("retained", &self.retained)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_in_a_url_is_not_shown() {
        let running = RunningTest {
            test: "shop::buys".to_owned(),
            slot: "ct_1".to_owned(),
            url: "postgres://me:hidden@localhost/ct_1".to_owned(),
            retained: true,
        };
        let shown = format!("{running:?}");
        assert!(shown.contains("shop::buys"), "{shown}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
