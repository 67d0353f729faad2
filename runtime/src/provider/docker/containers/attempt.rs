//! One attempt to start a container, with the watchdog or without.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::failure::Cause;
use super::lease::Lease;
use super::log::Log;
use super::plan::{Plan, Publish};
use super::request::ImageRequest;
use super::running::Running;
use super::settings::{SERVICE, Settings, Wishes};
use crate::Error;
use crate::lifecycle::holder;
use crate::provider::docker::engine::{Image, Library};
use crate::provider::docker::image::Reference;
use crate::provider::docker::labels;
use crate::provider::docker::reach::Reach;

/// How long the rest of a log may take after its container was removed.
const REST: Duration = Duration::from_millis(500);

/// What is started, and where.
pub(super) struct Attempt<'a> {
    pub(super) engine: &'a Library,
    pub(super) reach: &'a Reach,
    pub(super) user: &'a str,
    pub(super) request: &'a ImageRequest,
    pub(super) wishes: &'a Wishes,
    pub(super) settings: &'a Settings,
    pub(super) reference: &'a Reference,
    pub(super) image: &'a Image,
}

/// Why an attempt has failed, and the end of the container's log.
pub(super) struct Failed {
    pub(super) cause: Cause,
    log: String,
}

impl Attempt<'_> {
    /// Creates and starts the container, with this watchdog or without, and waits until it is
    /// ready. After an error it is gone.
    pub(super) async fn run(
        &self,
        watchdog: Option<Vec<String>>,
    ) -> Result<(Running, Option<Lease>), Failed> {
        let watched = watchdog.is_some();
        let (running, is_running) = oneshot::channel();
        let (follow, is_followed) = oneshot::channel();
        let lease = self.take_lease(watched, is_running, follow);
        let log = Log::default();
        let mut ended = std::pin::pin!(async {
            if is_followed.await.is_err() {
                return std::future::pending().await;
            }
            log.follow(self.engine, &self.settings.name, watched).await
        });
        let start = self.request.request().start(self.plan(watchdog, running));
        let started = tokio::select! {
            started = start => started.map_err(Cause::Start),
            words = &mut ended, if !self.wishes.ends => Err(Cause::Ended(words)),
        };
        let outcome = match started {
            Ok(()) => self.ready(lease.await.ok().flatten(), watched).await,
            Err(cause) => {
                lease.abort();
                Err(cause)
            }
        };
        match outcome {
            Ok(started) => Ok(started),
            Err(cause) => {
                self.remove().await;
                if matches!(cause, Cause::Start(_)) {
                    let _ = tokio::time::timeout(REST, ended).await;
                }
                let log = log.tail();
                Err(Failed { cause, log })
            }
        }
    }

    /// Takes a lease as soon as the container runs: the watchdog waits for it while the container
    /// gets ready. Tells when the log can be followed.
    fn take_lease(
        &self,
        watched: bool,
        is_running: oneshot::Receiver<()>,
        follow: oneshot::Sender<()>,
    ) -> JoinHandle<Option<Lease>> {
        let Settings { name, token, .. } = self.settings;
        let (engine, name, token) = (self.engine.clone(), name.clone(), token.clone());
        tokio::spawn(async move {
            is_running.await.ok()?;
            // An error means that the start has failed meanwhile.
            let _ = follow.send(());
            if !watched {
                return None;
            }
            Lease::take(&engine, &name, &token).await.ok().flatten()
        })
    }

    fn plan(&self, watchdog: Option<Vec<String>>, running: oneshot::Sender<()>) -> Plan {
        let auto_remove = watchdog.is_some();
        let ports = self.image.ports.iter().chain(&self.wishes.ports);
        Plan {
            name: self.settings.name.clone(),
            image: (self.reference.name.clone(), self.reference.tag.clone()),
            labels: self.labels(auto_remove),
            watchdog,
            publish: Publish {
                on: self.reach.publish_on.clone(),
                ports: ports.cloned().collect(),
                auto_remove,
            },
            startup_timeout: self.settings.startup_timeout,
            running,
        }
    }

    fn labels(&self, watched: bool) -> Vec<(String, String)> {
        let mut labels = vec![
            (labels::SERVICE.to_owned(), SERVICE.to_owned()),
            (labels::USER.to_owned(), self.user.to_owned()),
            (labels::CREATION.to_owned(), self.settings.token.clone()),
        ];
        if !watched {
            labels.push((labels::HOLDER.to_owned(), holder::current()));
        }
        labels
    }

    /// Returns the container that has become ready.
    async fn ready(
        &self,
        lease: Option<Lease>,
        watched: bool,
    ) -> Result<(Running, Option<Lease>), Cause> {
        let inspected = self.engine.inspect(&self.settings.name).await;
        let inspected = inspected.ok().flatten();
        let image = self.request.image();
        let running = inspected.map(|it| Running::new(self.engine, self.reach, image, it));
        match running {
            Some(running) if lease.is_some() || !watched => Ok((running, lease)),
            _ => Err(Cause::Ended("it ended as soon as it was ready".to_owned())),
        }
    }

    /// Removes the container of this name if this process has created it.
    async fn remove(&self) {
        let inspected = self.engine.inspect(&self.settings.name).await;
        let Some(inspected) = inspected.ok().flatten() else {
            return;
        };
        if inspected.labels.get(labels::CREATION) == Some(&self.settings.token) {
            self.engine.remove(&inspected.id).await;
        }
    }
}

impl Failed {
    /// Returns the error for people.
    pub(super) fn report(&self, request: &ImageRequest, settings: &Settings) -> Error {
        self.cause.report(&request.image(), settings, &self.log)
    }
}
