//! How one container is started.

use std::time::Duration;

use crate::service::STARTUP_TIMEOUT;

/// Value of the label that says which service a container is of, and part of containers' names.
pub(super) const SERVICE: &str = "container";

/// How one container is started.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// The test that asks for it.
    pub(super) test: String,
    /// Tells the leases on this container from those on others.
    pub(super) token: String,
    /// How long it stays without a lease.
    pub(super) idle: Duration,
    pub(super) startup_timeout: Duration,
    /// Whether tests share it.
    pub(super) shared: bool,
}

/// What a request says about the start of its container.
#[derive(Debug)]
pub(super) struct Wishes {
    /// What replaces the image's entrypoint.
    pub(super) entrypoint: Option<String>,
    /// What replaces the image's command; empty for nothing.
    pub(super) command: Vec<String>,
    /// The ports that it exposes beside those of the image, such as `6379/tcp`.
    pub(super) ports: Vec<String>,
    pub(super) platform: Option<String>,
    pub(super) network: Option<String>,
    pub(super) name: Option<String>,
    pub(super) startup_timeout: Option<Duration>,
    /// Whether the container is ready when its program has ended.
    pub(super) ends: bool,
}

impl Wishes {
    /// Returns how long the container may take to be ready: what the test says, else what the
    /// request says.
    pub(super) fn limit(&self, startup_timeout: Option<Duration>) -> Duration {
        startup_timeout
            .or(self.startup_timeout)
            .unwrap_or(STARTUP_TIMEOUT)
    }
}
