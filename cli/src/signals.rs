//! What ends a command from outside.

use container_test::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask this process to end. While this lives they do not end it.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn take() -> Result<Self> {
        let take = |kind| signal(kind).map_err(Error::failed_to("wait for signals"));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hang_up: take(SignalKind::hangup())?,
        })
    }

    /// Waits for one; returns whether a terminal sends it to the whole group of processes.
    pub(crate) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
            _ = self.hang_up.recv() => true,
        }
    }
}
