//! Removes containers that nothing else removes: those that were created but never started, and
//! those without a watchdog whose process has died.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::engine::{Engine, Listed, State};
use super::labels;
use crate::lifecycle::holder;

/// Age from which the process that created a container has died before it could start it.
const NEVER_STARTED: Duration = Duration::from_secs(60);

/// Removes this crate's containers that no process needs and that do not end by themselves.
pub(super) async fn sweep(engine: &Engine) {
    for container in left(engine).await {
        engine.remove(&container.id).await;
    }
}

/// Returns this crate's containers that no process needs and that do not end by themselves.
pub(super) async fn left(engine: &Engine) -> Vec<Listed> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut listed = engine.list(labels::USER).await;
    listed.retain(|container| was_never_started(container, now) || is_abandoned(container));
    listed
}

/// Returns whether a container was created and not started. The engine itself removes only what has
/// run.
fn was_never_started(container: &Listed, now: Duration) -> bool {
    let age = now.saturating_sub(Duration::from_secs(container.created));
    container.state == State::Created && age > NEVER_STARTED
}

/// Returns whether the process of a container is proven to be dead: it ran on this machine, since its
/// last boot.
fn is_abandoned(container: &Listed) -> bool {
    let holder = container.labels.get(labels::HOLDER);
    holder.and_then(|holder| holder::is_alive(holder)) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_created_a_while_ago_and_not_started_was_never_started() {
        let now = Duration::from_secs(1_000_000);
        for (state, age, expected) in [
            (State::Created, 61, true),
            (State::Created, 59, false),
            (State::Running, 61, false),
            (State::Exited, 61, false),
        ] {
            let container = Listed {
                id: "id".to_owned(),
                created: 1_000_000 - age,
                labels: [].into(),
                state,
            };
            let found = was_never_started(&container, now);
            assert_eq!(found, expected, "{container:?}");
        }
    }
}
