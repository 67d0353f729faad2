//! Removes containers that nothing else removes: those that were created but never started, and
//! those without a watchdog whose process has died.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join;
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::ListContainersOptionsBuilder;

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
    for container in list(engine, labels::USER, Some("created")).await {
        let created = u64::try_from(container.created.unwrap_or(i64::MAX)).unwrap_or_default();
        if let Some(id) = container.id
            && now.saturating_sub(Duration::from_secs(created)) > NEVER_STARTED
        {
            engine.remove(&id).await;
        }
    }
}

/// Removes containers whose process is proven to be dead: it ran on this machine, since its last
/// boot.
async fn sweep_abandoned(engine: &Engine) {
    for container in list(engine, labels::HOLDER, None).await {
        let labels = container.labels.unwrap_or_default();
        let holder = labels.get(labels::HOLDER);
        if let Some(id) = container.id
            && holder.and_then(|holder| holder::is_alive(holder)) == Some(false)
        {
            engine.remove(&id).await;
        }
    }
}

async fn list(engine: &Engine, label: &str, status: Option<&str>) -> Vec<ContainerSummary> {
    let mut filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
    if let Some(status) = status {
        filters.insert("status".to_owned(), vec![status.to_owned()]);
    }
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let listed = engine.api().list_containers(Some(options)).await;
    listed.unwrap_or_default()
}
