//! Starts containers on an engine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::attempt::Attempt;
use super::held::{Own, Shared};
use super::lease::Lease;
use super::plan::under_watchdog;
use super::request::ImageRequest;
use super::running::Running;
use super::settings::{SERVICE, Settings, Wishes};
use super::shell;
use crate::config::Config;
use crate::lifecycle::{Cache, Failures, Owner, user_name};
use crate::once::Once;
use crate::provider::docker::engine::{Container, Engine, Image, Library};
use crate::provider::docker::image::{self, Reference};
use crate::provider::docker::reach::Reach;
use crate::provider::docker::sweep::sweep;
use crate::provider::request::EXCLUSIVE_IDLE;
use crate::{Error, Result, hash};

/// The containers that this process starts on an engine, and those that it shares with others.
pub(crate) struct Containers {
    engine: Engine,
    /// The same engine, with its client.
    pub(super) library: Library,
    reach: Reach,
    pub(super) config: Arc<Config>,
    cache: Option<Cache>,
    pub(super) shared: Once<String, Arc<Shared>>,
    failures: Arc<Failures>,
    /// One test at a time looks for an image, and may pull it.
    images: Once<String, Mutex<()>>,
}

impl Containers {
    /// Returns the containers of an engine.
    pub(in crate::provider) async fn new(
        library: Library,
        config: &Arc<Config>,
        failures: &Arc<Failures>,
    ) -> Self {
        let engine = Engine::Library(library.clone());
        let owner = Owner::of_process(config);
        Self {
            reach: Reach::of(&engine, config).await,
            cache: owner.and_then(|owner| Cache::open(config, &owner)).ok(),
            engine,
            library,
            config: Arc::clone(config),
            shared: Once::new(),
            failures: Arc::clone(failures),
            images: Once::new(),
        }
    }

    /// Starts a container for one test.
    pub(crate) async fn start(
        &self,
        request: &ImageRequest,
        startup_timeout: Option<Duration>,
        test: &str,
    ) -> Result<Own> {
        let wishes = request.request().wishes();
        let token = hash::random()?;
        let name = format!("container-test-{SERVICE}-{}", &token[..12]);
        // What a failed test had is of no use if it ends at once.
        let idle = if self.config.retain_failed() {
            self.config.idle()?
        } else {
            EXCLUSIVE_IDLE
        };
        let settings = Settings {
            name: wishes.name.clone().unwrap_or(name),
            test: test.to_owned(),
            token,
            idle,
            startup_timeout: wishes.limit(startup_timeout),
            shared: false,
        };
        // On the heap: it must not make the futures of those that call it as large.
        let created = Box::pin(self.create(request, &wishes, &settings));
        let (running, lease) = created.await?;
        Ok(Own { running, lease })
    }

    /// Returns the user's cache.
    pub(super) fn cache(&self) -> Result<&Cache> {
        self.cache.as_ref().ok_or_else(|| {
            Error::new("share a container")
                .because("there is no directory for the locks of processes that share it")
                .with_help("set CONTAINER_TEST_CACHE_DIR to a directory of your own")
        })
    }

    /// Returns a container that another process has started.
    pub(super) fn found(&self, request: &ImageRequest, inspected: Container) -> Running {
        Running::new(&self.library, &self.reach, request.image(), inspected)
    }

    /// Returns what the engine knows of an image; one that cannot be had is asked for once.
    async fn image(
        &self,
        reference: &Reference,
        platform: Option<&str>,
        test: &str,
    ) -> Result<Image> {
        let key = format!("image {reference:?} {platform:?}");
        let lock = self.images.cell(&key);
        let lock = lock.get_or_init(async || Mutex::new(())).await;
        let _alone = lock.lock().await;
        if let Some(error) = self.failures.recall(&key) {
            return Err(error);
        }
        let inspected = image::inspect(&self.engine, reference, platform, &self.config).await;
        inspected.inspect_err(|error| self.failures.remember(&key, test, error))
    }

    /// Creates and starts a container, and waits until it is ready.
    pub(super) async fn create(
        &self,
        request: &ImageRequest,
        wishes: &Wishes,
        settings: &Settings,
    ) -> Result<(Running, Option<Lease>)> {
        let (engine, cache) = (&self.engine, self.cache.as_ref());
        sweep(engine).await;
        self.check_network(request, wishes).await?;
        let reference = Reference::new(&request.image(), &self.config);
        let platform = wishes.platform.as_deref();
        let image = self.image(&reference, platform, &settings.test).await?;
        let attempt = Attempt {
            engine: &self.library,
            reach: &self.reach,
            user: &user_name(&self.config),
            request,
            wishes,
            settings,
            reference: &reference,
            image: &image,
        };
        if !wishes.ends && !shell::is_missing(cache, &image) {
            let run = under_watchdog(wishes, &image, &settings.token, settings.idle)?;
            match attempt.run(Some(run)).await {
                Ok(started) => return Ok(started),
                Err(failed) if failed.cause.is_missing_shell() => {
                    shell::remember_missing(cache, &image);
                }
                Err(failed) => return Err(failed.report(request, settings)),
            }
        }
        if settings.shared {
            return Err(cannot_be_shared(request, wishes));
        }
        let started = attempt.run(None).await;
        started.map_err(|failed| failed.report(request, settings))
    }

    /// Refuses a network that does not exist: testcontainers would create it, and nothing would
    /// remove it.
    async fn check_network(&self, request: &ImageRequest, wishes: &Wishes) -> Result<()> {
        let Some(network) = wishes.network.as_deref() else {
            return Ok(());
        };
        if network.starts_with("container:") {
            return Ok(());
        }
        let inspected = self.library.api().inspect_network(network, None).await;
        inspected.map(drop).map_err(|error| {
            let image = request.image();
            Error::new(format!("connect a container of {image} to its network"))
                .because(error)
                .with_help(format!(
                    "create it before the tests: `docker network create {network}`"
                ))
        })
    }
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containers").finish_non_exhaustive()
    }
}

fn cannot_be_shared(request: &ImageRequest, wishes: &Wishes) -> Error {
    let cause = if wishes.ends {
        "it is ready when it has ended"
    } else {
        "the image has no shell, which the watchdog of a shared container needs"
    };
    Error::new(format!("share a container of {}", request.image()))
        .because(cause)
        .with_help("leave `shared = true` out: each test then has a container of its own")
}
