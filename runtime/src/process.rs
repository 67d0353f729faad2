//! What this process knows: its configuration, its background thread, the servers that it uses.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use tokio::sync::OnceCell;

use crate::background::Background;
use crate::config::Config;
use crate::lifecycle::Failures;
use crate::once::Once;
use crate::provider::{Examined, Machine, Providers, RunningServer};
use crate::service::{Endpoint, ServerSpec, Service};
use crate::{Error, Result};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The state that all tests of this process share. It is built once, from the environment.
pub(crate) struct Process {
    pub(crate) config: Arc<Config>,
    pub(crate) background: Background,
    pub(crate) failures: Arc<Failures>,
    providers: Providers,
    servers: Once<Wanted, Opened>,
}

/// A server that this process has opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) endpoint: Endpoint,
    server: Arc<dyn Any + Send + Sync>,
}

/// The server that a service wants for a test.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    service: TypeId,
    pub(crate) spec: ServerSpec,
}

impl Wanted {
    pub(crate) fn by<S: Service>(service: &S) -> Result<Self> {
        Ok(Self {
            service: TypeId::of::<S>(),
            spec: service.spec()?,
        })
    }
}

impl Hash for Wanted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.service, &self.spec.image).hash(state);
    }
}

/// A server that a test has asked for.
pub(crate) enum Asked<'a> {
    Opened(Opened),
    Opening(BoxFuture<'a, Result<Opened>>),
}

impl Asked<'_> {
    /// Waits until the server is open.
    pub(crate) async fn opened(self) -> Result<Opened> {
        match self {
            Self::Opened(opened) => Ok(opened),
            Self::Opening(opening) => opening.await,
        }
    }
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
    pub(crate) fn server<S: Service>(self: &Arc<Self>, wanted: &Wanted, test: &str) -> Asked<'_> {
        let spec = &wanted.spec;
        if spec.exclusive {
            return Asked::Opening(self.open_exclusive::<S>(spec.clone(), test.to_owned()));
        }
        let cell = self.servers.cell(wanted);
        match cell.get() {
            Some(opened) => Asked::Opened(opened.clone()),
            None => Asked::Opening(self.open_shared::<S>(cell, spec.clone(), test.to_owned())),
        }
    }

    // The two below are functions of their own, which return what is on the heap: what happens once
    // must not make the stack of every test as large.

    fn open_exclusive<S: Service>(
        self: &Arc<Self>,
        spec: ServerSpec,
        test: String,
    ) -> BoxFuture<'_, Result<Opened>> {
        let process = Arc::clone(self);
        let open = async move { process.open::<S>(&spec, &test).await };
        Box::pin(self.background.run(open))
    }

    fn open_shared<S: Service>(
        self: &Arc<Self>,
        cell: Arc<OnceCell<Opened>>,
        spec: ServerSpec,
        test: String,
    ) -> BoxFuture<'_, Result<Opened>> {
        let process = Arc::clone(self);
        let open = async move {
            cell.get_or_try_init(|| process.open::<S>(&spec, &test))
                .await
                .cloned()
        };
        Box::pin(self.background.run(open))
    }

    /// Finds or starts a server, unless that has failed before in a way that does not pass.
    async fn open<S: Service>(&self, spec: &ServerSpec, test: &str) -> Result<Opened> {
        // The same in all processes of a test run.
        let mut hash = DefaultHasher::new();
        (type_name::<S>(), spec, self.config.of_servers()).hash(&mut hash);
        let key = format!("{} {:x}", S::NAME, hash.finish());
        if let Some(error) = self.failures.recall_in_run(&key) {
            return Err(error);
        }
        match self.providers.provide(spec, S::open).await {
            Ok((endpoint, server)) => Ok(Opened {
                endpoint,
                server: Arc::new(server),
            }),
            Err(error) => {
                let error = error.described_by(S::describe_error);
                self.failures.remember_in_run(&key, test, &error);
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

    /// Looks at what the machine has for these servers.
    pub(crate) async fn machine(self: &Arc<Self>, specs: Vec<ServerSpec>) -> Result<Machine> {
        let process = Arc::clone(self);
        let look = async move { process.providers.machine(&specs).await };
        self.background.run(look).await
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
    pub(crate) fn forget(&self, wanted: &Wanted) {
        self.servers.forget(wanted);
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
