//! Removes containers that nothing else removes: those that were created but never started, and
//! those without a watchdog whose process has died.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join;

use super::engine::Engine;
use super::labels;
use crate::lifecycle::holder;

/// Age from which the process that created a container has died before it could start it.
const NEVER_STARTED: Duration = Duration::from_secs(60);

/// Removes this crate's containers that no process needs and that do not end by themselves.
pub(super) async fn sweep(engine: &Engine) {
    join(sweep_created(engine), sweep_abandoned(engine)).await;
}

/// Removes containers that were created but never started. The engine itself removes only what has
/// run.
async fn sweep_created(engine: &Engine) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    for container in engine.list(labels::USER, Some("created")).await {
        if now.saturating_sub(Duration::from_secs(container.created)) > NEVER_STARTED {
            engine.remove(&container.id).await;
        }
    }
}

/// Removes containers whose process is proven to be dead: it ran on this machine, since its last
/// boot.
async fn sweep_abandoned(engine: &Engine) {
    for container in engine.list(labels::HOLDER, None).await {
        let holder = container.labels.get(labels::HOLDER);
        if holder.and_then(|holder| holder::is_alive(holder)) == Some(false) {
            engine.remove(&container.id).await;
        }
    }
}
