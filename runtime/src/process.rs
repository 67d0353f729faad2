//! What this process knows: its configuration, its background thread, the servers that it uses.

use std::any::{Any, TypeId};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use crate::background::Background;
use crate::config::Config;
use crate::lifecycle::Failures;
use crate::once::Once;
use crate::provider::{Examined, Providers, RunningServer};
use crate::service::{Endpoint, ServerSpec, Service};
use crate::{Error, Result};

/// The state that all tests of this process share. It is built once, from the environment.
pub(crate) struct Process {
    pub(crate) config: Arc<Config>,
    pub(crate) background: Background,
    pub(crate) failures: Arc<Failures>,
    providers: Providers,
    servers: Once<(TypeId, ServerSpec), Opened>,
}

/// A server that this process has opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) endpoint: Endpoint,
    server: Arc<dyn Any + Send + Sync>,
}

impl Opened {
    /// Returns the server as the service knows it.
    pub(crate) fn server<S: Service>(&self) -> Result<Arc<S::Server>> {
        Arc::clone(&self.server).downcast().map_err(|_| {
            Error::new(format!("use the {} server", S::NAME)).because("it is another service's")
        })
    }
}

impl Process {
    /// Returns the state of this process.
    pub(crate) fn current() -> &'static Arc<Self> {
        static CURRENT: LazyLock<Arc<Process>> = LazyLock::new(|| {
            let config = Arc::new(Config::from_environment());
            choose_cryptography();
            Arc::new(Process {
                background: Background::default(),
                failures: Arc::new(Failures::new(&config)),
                providers: Providers::new(Arc::clone(&config)),
                servers: Once::new(),
                config,
            })
        });
        &CURRENT
    }

    /// Returns the server that a test asks for: the one that this process has opened, else one
    /// that is found or started. A server for one test alone is always started.
    pub(crate) async fn server<S: Service>(
        self: &Arc<Self>,
        spec: &ServerSpec,
        test: &str,
    ) -> Result<Opened> {
        let process = Arc::clone(self);
        if spec.exclusive {
            let (spec, test) = (spec.clone(), test.to_owned());
            let open = async move { process.open::<S>(&spec, &test).await };
            return Box::pin(self.background.run(open)).await;
        }
        let key = (TypeId::of::<S>(), spec.clone());
        let cell = self.servers.cell(&key);
        if let Some(opened) = cell.get() {
            return Ok(opened.clone());
        }
        let (spec, test) = (spec.clone(), test.to_owned());
        let open = async move {
            cell.get_or_try_init(|| process.open::<S>(&spec, &test))
                .await
                .cloned()
        };
        // On the heap: what happens only once must not make every test's future as large.
        Box::pin(self.background.run(open)).await
    }

    /// Finds or starts a server, unless that has failed before in a way that does not pass.
    async fn open<S: Service>(&self, spec: &ServerSpec, test: &str) -> Result<Opened> {
        let mut hash = DefaultHasher::new();
        (TypeId::of::<S>(), spec).hash(&mut hash);
        let key = format!("{} {:x}", S::NAME, hash.finish());
        if let Some(error) = self.failures.recall(&key) {
            return Err(error);
        }
        match self.providers.provide(spec, S::open).await {
            Ok((endpoint, server)) => Ok(Opened {
                endpoint,
                server: Arc::new(server),
            }),
            Err(error) => {
                let error = error.described_by(S::describe_error);
                self.failures.remember(&key, test, &error);
                Err(error)
            }
        }
    }

    /// Returns the servers that run.
    pub(crate) async fn running(
        self: &Arc<Self>,
        specs: Vec<ServerSpec>,
    ) -> Result<Vec<RunningServer>> {
        let process = Arc::clone(self);
        let running = async move { process.providers.running(&specs).await };
        self.background.run(running).await
    }

    /// Examines which providers of a service can be used.
    pub(crate) async fn examine<S: Service>(
        self: &Arc<Self>,
        service: &S,
    ) -> Result<Vec<Examined>> {
        let (process, spec) = (Arc::clone(self), service.spec()?);
        let examine = async move {
            let found = process.providers.examine(&spec, S::open).await;
            found.map_err(|error| error.described_by(S::describe_error))
        };
        self.background.run(examine).await
    }

    /// Forgets a server that has ended.
    pub(crate) fn forget<S: Service>(&self, spec: &ServerSpec) {
        self.servers.forget(&(TypeId::of::<S>(), spec.clone()));
    }
}

/// Chooses the cryptography of encrypted connections, unless the project has: rustls does not
/// choose by itself once a graph of dependencies has two.
#[cfg(feature = "tls")]
fn choose_cryptography() {
    // An error says that it is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(not(feature = "tls"))]
fn choose_cryptography() {}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}
