//! A test's container, from claim to release.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::provider::{Own, Running};
use crate::service::{Returned, Slot};

/// Lines of the log that a failed test reports.
const LOG_LINES: usize = 50;

/// A test's container: its own, or one that tests share.
#[derive(Debug)]
pub struct TestContainer {
    pub(super) running: Running,
    /// Set if no other test uses it.
    own: Option<Own>,
    /// When it was claimed, in seconds since 1970.
    claimed: i32,
}

impl TestContainer {
    /// Returns a container that no other test uses.
    pub(super) fn own(own: Own) -> Self {
        Self {
            running: own.running.clone(),
            own: Some(own),
            claimed: 0,
        }
    }

    /// Returns a container that tests share.
    pub(super) fn shared(running: Running) -> Self {
        Self {
            running,
            own: None,
            claimed: now(),
        }
    }
}

impl Slot for TestContainer {
    fn description(&self) -> String {
        let Running { image, .. } = &self.running;
        let shared = if self.own.is_some() { "" } else { "shared " };
        format!("{shared}container {} ({image})", self.running.short_id())
    }

    async fn release(self, returned: Returned) {
        match self.own {
            Some(own) if returned == Returned::Retained => own.retain(),
            Some(own) => own.give_back().await,
            // Its lease is the process's.
            None => {}
        }
    }

    fn address(&self) -> Option<String> {
        let look = format!("docker logs {}", self.running.short_id());
        Some(match self.running.published().as_str() {
            "" => look,
            ports => format!("{look}; port {ports}"),
        })
    }

    fn removal(&self) -> Option<String> {
        // One that tests share goes by itself.
        let own = self.own.as_ref()?;
        Some(format!(
            "docker rm --force --volumes {}",
            own.running.short_id()
        ))
    }

    async fn log(&self) -> String {
        let log = self.running.log(self.claimed, Some(LOG_LINES)).await;
        // A container that is gone has no log.
        log.unwrap_or_default()
    }
}

fn now() -> i32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i32::try_from(now.as_secs()).unwrap_or(i32::MAX)
}
