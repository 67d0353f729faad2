//! A test's context: what it has of each declared service.

use std::any::Any;
use std::error::Error as StdError;
use std::future::Future;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use crate::process::Process;
use crate::service::{Address, Endpoint, Returned, Service, Slot, without_password};
use crate::{Result, record};

/// What one test runs in: its name, and its part of each declared service.
///
/// Extractors get it (see [`FromContext`](crate::FromContext)), and a test can take it as an argument. `D` stands for
/// the services that the test declares; leave it out in an argument. Without it, the services are
/// looked up when the test runs.
///
/// # Examples
///
/// ```
/// use container_test::sqlx::PgPool;
/// use container_test::{TestContext, container_test};
///
/// #[container_test(postgres, migrations = false)]
/// async fn takes_what_it_needs_later(cx: TestContext) -> container_test::Result<()> {
///     assert!(cx.name().ends_with("takes_what_it_needs_later"));
///     let _pool: PgPool = cx.get().await?;
///     Ok(())
/// }
/// ```
pub struct TestContext<D = ()> {
    inner: Arc<Inner>,
    declared: PhantomData<fn() -> D>,
}

struct Inner {
    name: String,
    directory: PathBuf,
    process: Arc<Process>,
    slots: Vec<Held>,
}

/// A slot that a test has, under the name of its declaration.
pub(crate) struct Held {
    pub(crate) name: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) describe_error: fn(&(dyn StdError + 'static)) -> Option<String>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A slot of any service.
pub(crate) trait AnySlot: Any + Send + Sync {
    fn description(&self) -> String;
    fn seeded(&self) -> usize;
    fn apply_seed(self: Arc<Self>, path: PathBuf) -> BoxFuture<Result<()>>;
    fn finish(&self, returned: Returned) -> Pin<Box<dyn Future<Output = ()> + '_>>;
    /// Returns nothing if the test has leaked what it was given: its claims end with the process.
    fn release(self: Arc<Self>, returned: Returned) -> Option<BoxFuture<()>>;
    fn address(&self) -> Option<String>;
    fn inspection(&self) -> Option<String>;
    fn removal(&self) -> Option<String>;
    fn log(self: Arc<Self>) -> BoxFuture<String>;
}

impl<S: Slot> AnySlot for S {
    fn description(&self) -> String {
        Slot::description(self)
    }

    fn seeded(&self) -> usize {
        Slot::seeded(self)
    }

    fn apply_seed(self: Arc<Self>, path: PathBuf) -> BoxFuture<Result<()>> {
        Box::pin(async move { Slot::apply_seed(&*self, &path).await })
    }

    fn finish(&self, returned: Returned) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(Slot::finish(self, returned))
    }

    fn release(self: Arc<Self>, returned: Returned) -> Option<BoxFuture<()>> {
        let slot = Arc::into_inner(self)?;
        Some(Box::pin(Slot::release(slot, returned)))
    }

    fn address(&self) -> Option<String> {
        Slot::address(self)
    }

    fn inspection(&self) -> Option<String> {
        Slot::inspection(self)
    }

    fn removal(&self) -> Option<String> {
        Slot::removal(self)
    }

    fn log(self: Arc<Self>) -> BoxFuture<String> {
        Box::pin(async move { Slot::log(&*self).await })
    }
}

impl<D> TestContext<D> {
    pub(crate) fn new(
        name: String,
        directory: PathBuf,
        process: Arc<Process>,
        slots: Vec<Held>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                directory,
                process,
                slots,
            }),
            declared: PhantomData,
        }
    }

    /// Returns the test's name: module path and function, as the test harness prints it after the
    /// crate's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the directory of the test's `Cargo.toml`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.inner.process
    }

    pub(crate) fn slots(&self) -> &[Held] {
        &self.inner.slots
    }

    /// Returns the same context for other declarations.
    pub(crate) fn share<E>(&self) -> TestContext<E> {
        TestContext {
            inner: Arc::clone(&self.inner),
            declared: PhantomData,
        }
    }

    /// Ends what of the slots lives on the test's runtime, while that still runs.
    pub(crate) async fn finish(&self, returned: Returned) {
        for held in &self.inner.slots {
            held.slot.finish(returned).await;
        }
    }

    /// Releases everything; it waits until that is done on servers that outlive the tests, in
    /// processes that end with their test, and if it is retained: the process may end at once. Must
    /// come after the end of the test's runtime.
    pub(crate) fn release(self, returned: Returned) {
        let process = Arc::clone(&self.inner.process);
        for (endpoint, release) in self.releases(returned) {
            let wait = returned == Returned::Retained
                || endpoint.outlives_tests()
                || process.config.one_test_per_process();
            if wait {
                process.background.wait(release);
            } else {
                process.background.spawn(release);
            }
        }
    }

    /// Releases everything, and returns when that is done.
    pub(crate) async fn release_now(self, returned: Returned) {
        let process = Arc::clone(&self.inner.process);
        for (_, release) in self.releases(returned) {
            let release = async {
                release.await;
                Ok(())
            };
            // An error means that the thread could not be started: then nothing was claimed.
            let _ = process.background.run(release).await;
        }
    }

    /// Releases everything in the background.
    pub(crate) fn release_later(self, returned: Returned) {
        let process = Arc::clone(&self.inner.process);
        for (_, release) in self.releases(returned) {
            process.background.spawn(release);
        }
    }

    fn releases(self, returned: Returned) -> Vec<(Endpoint, BoxFuture<()>)> {
        // A body that leaked its context keeps its claims: they end with the process.
        let Some(Inner { name, slots, .. }) = Arc::into_inner(self.inner) else {
            return Vec::new();
        };
        let releases = slots.into_iter().filter_map(|held| {
            let release = held.slot.release(returned)?;
            Some((held.endpoint, record::after(&name, release)))
        });
        releases.collect()
    }
}

impl Held {
    /// Returns the slot, if it is one of this service.
    pub(crate) fn slot_of<S: Service>(&self) -> Option<&S::Slot> {
        let slot: &dyn Any = &*self.slot;
        slot.downcast_ref()
    }

    /// Returns what the test has, and where, for people.
    pub(crate) fn description(&self) -> String {
        match self.endpoint.description() {
            "" => self.slot.description(),
            server => format!("{}, {server}", self.slot.description()),
        }
    }

    /// Returns the URL of what the test has, without any password.
    pub(crate) fn location(&self) -> Option<String> {
        without_password(&self.slot.address()?)
    }

    /// Returns how people look at what a failed test had. Passwords that people have given to us
    /// are not in it.
    pub(crate) fn inspection(&self) -> Option<String> {
        self.slot.inspection().or_else(|| {
            let address = self.slot.address()?;
            match self.endpoint.address() {
                Address::Given(_) => Some(without_password(&address).unwrap_or(address)),
                Address::Started { .. } => Some(address),
            }
        })
    }
}

impl<D> Clone for TestContext<D> {
    fn clone(&self) -> Self {
        self.share()
    }
}

impl<D> std::fmt::Debug for TestContext<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestContext")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
