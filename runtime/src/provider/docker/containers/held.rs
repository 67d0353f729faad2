//! Containers that this process holds.

use super::lease::Lease;
use super::running::Running;

/// A container of one test.
#[derive(Debug)]
pub(crate) struct Own {
    /// The container.
    pub(crate) running: Running,
    /// Not set for a container that does not end by itself.
    pub(super) lease: Option<Lease>,
}

impl Own {
    /// Removes the container. One that ends by itself is removed in the background, so that the
    /// test need not wait: it ends if this process is faster.
    pub(crate) async fn give_back(self) {
        let Self { running, lease } = self;
        match lease {
            Some(lease) => {
                drop(lease);
                tokio::spawn(async move { running.remove().await });
            }
            None => running.remove().await,
        }
    }

    /// Leaves the container as it is, for as long as this process lives and a while longer.
    pub(crate) fn retain(self) {
        std::mem::forget(self.lease);
    }
}

/// A container that tests share, with this process's lease on it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) running: Running,
    pub(super) lease: Lease,
}
