//! Containers that tests share, those of other processes as well.
//!
//! All processes derive a container's name from the request. One at a time looks for it, under a
//! file lock, and starts it if it is not there. That it has become ready is written into the cache
//! last: a container that runs without this was started by a process that died, and is replaced.

use std::hash::{DefaultHasher, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::held::Shared;
use super::lease::Lease;
use super::request::ImageRequest;
use super::running::Running;
use super::settings::{SERVICE, Settings};
use super::start::Containers;
use crate::lifecycle::{Cache, holder, user_name, watchdog};
use crate::provider::docker::engine::State;
use crate::provider::request::container;
use crate::{Error, Result, hash};

/// How often a container that is about to end is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How long a container may take to end: the watchdog kills its program after 20 s.
const END: Duration = Duration::from_secs(30);

impl Containers {
    /// Returns the container that all tests with an equal request share: the one that this process
    /// has a lease on, else one that is found or started.
    pub(crate) async fn share(
        &self,
        request: &ImageRequest,
        startup_timeout: Option<Duration>,
        test: &str,
    ) -> Result<Running> {
        let wishes = request.request().wishes();
        let idle = self.config.idle()?;
        let cache = self.cache()?;
        let settings = Settings {
            name: self.shared_name(request, cache, idle)?,
            test: test.to_owned(),
            token: hash::random()?,
            idle,
            startup_timeout: wishes.limit(startup_timeout),
            shared: true,
        };
        loop {
            let cell = self.shared.cell(&settings.name);
            let find = || self.find_or_start(request, cache, &settings);
            let shared = cell.get_or_try_init(find).await?;
            if !shared.lease.has_ended() {
                return Ok(shared.running.clone());
            }
            self.shared.forget(&settings.name);
        }
    }

    fn shared_name(&self, request: &ImageRequest, cache: &Cache, idle: Duration) -> Result<String> {
        let mut identity = DefaultHasher::new();
        let (user, container) = (user_name(&self.config), container(&self.config));
        (watchdog::SCRIPT, user, container, idle.as_secs()).hash(&mut identity);
        // Only processes with the same locks may share it.
        (holder::machine(), cache.directory()).hash(&mut identity);
        request.request().identity()?.hash(&mut identity);
        Ok(format!(
            "container-test-{SERVICE}-{}",
            hash::short(&identity)
        ))
    }

    async fn find_or_start(
        &self,
        request: &ImageRequest,
        cache: &Cache,
        settings: &Settings,
    ) -> Result<Arc<Shared>> {
        let name = &settings.name;
        let _lock = cache.lock_async(name).await?;
        let since = Instant::now();
        while let Some(inspected) = self.library.inspect(name).await? {
            let running = inspected.state == State::Running;
            let id = inspected.id.clone();
            let ready = cache.read(&ready_file(name));
            let token = ready
                .as_deref()
                .and_then(|ready| ready.strip_prefix(&id))
                .map(str::trim);
            let Some(token) = token.filter(|_| running) else {
                self.library.remove(&id).await;
                continue;
            };
            // An error means that the container has ended meanwhile.
            let lease = Lease::take(&self.library, &id, token).await.ok().flatten();
            if let Some((running, lease)) =
                lease.map(|lease| (self.found(request, inspected), lease))
            {
                return Ok(Arc::new(Shared { running, lease }));
            }
            if since.elapsed() > END {
                return Err(Error::new(format!("use the container {name}"))
                    .because("it is about to end, but does not")
                    .with_help(format!("remove it with `docker rm -f {name}`")));
            }
            tokio::time::sleep(POLL).await;
        }
        let wishes = request.request().wishes();
        let created = Box::pin(self.create(request, &wishes, settings));
        let (running, lease) = created.await?;
        let Some(lease) = lease else {
            return Err(
                Error::new(format!("share the container {name}")).because("it has no lease")
            );
        };
        let ready = format!("{} {}\n", running.id, settings.token);
        cache.write(&ready_file(name), &ready)?;
        Ok(Arc::new(Shared { running, lease }))
    }
}

/// Returns the name of the file that says which container of this name has become ready.
fn ready_file(name: &str) -> String {
    format!("{name}.ready")
}
