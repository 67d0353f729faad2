//! The progress of a pull, in what `docker` says about it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, interval_at};

/// The time between two lines about a pull.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// The layers of an image that is pulled.
#[derive(Debug, Default)]
pub(super) struct Layers(Mutex<BTreeMap<String, bool>>);

impl Layers {
    /// Reads a line of `docker pull`, such as `3d7a0d40e7a1: Pull complete`.
    pub(super) fn read(&self, line: &str) {
        let Some((layer, state)) = line.split_once(": ") else {
            return;
        };
        let done = match state.trim() {
            "Pull complete" | "Already exists" => true,
            "Pulling fs layer" => false,
            _ => return,
        };
        let mut layers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        layers.insert(layer.to_owned(), done);
    }

    /// Returns how many layers are there; nothing if none is known.
    fn said(&self) -> String {
        let layers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match layers.values().filter(|done| **done).count() {
            0 if layers.is_empty() => String::new(),
            done => format!(": {done} of {} layers", layers.len()),
        }
    }
}

/// Waits for the pull of an image, and says how far it has come, again and again.
pub(super) async fn shown<T>(
    image: &str,
    layers: &Layers,
    pause: Duration,
    mut say: impl FnMut(&str),
    pull: impl Future<Output = T>,
) -> T {
    let mut pull = pin!(pull);
    let mut again = interval_at(Instant::now() + pause, pause);
    loop {
        tokio::select! {
            biased;
            pulled = &mut pull => return pulled,
            _ = again.tick() => say(&format!("pulling the image {image}{}", layers.said())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn how_far_a_pull_has_come_is_said_again_and_again() {
        let layers = Layers::default();
        let mut said = Vec::new();
        let pull = async {
            for line in [
                "17-alpine: Pulling from library/postgres",
                "3d7a0d40e7a1: Pulling fs layer",
                "9a1f0d40e7a2: Already exists",
                "3d7a0d40e7a1: Download complete",
                "3d7a0d40e7a1: Pull complete",
                "Status: Downloaded newer image for postgres:17-alpine",
            ] {
                layers.read(line);
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            7
        };
        let pulled = shown(
            "postgres",
            &layers,
            PAUSE,
            |line| said.push(line.to_owned()),
            pull,
        );
        assert_eq!(pulled.await, 7);
        let line = |layers: &str| format!("pulling the image postgres: {layers} layers");
        assert_eq!(said, [line("0 of 1"), line("1 of 2"), line("2 of 2")]);
        assert_eq!(Layers::default().said(), "");
    }
}
