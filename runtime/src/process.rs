//! What this process knows: its configuration, its background thread, the servers that it uses.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::background::Background;
use crate::config::Config;
use crate::once::Once;
use crate::provider::Providers;
use crate::service::{Endpoint, ServerSpec, Service};
use crate::{Error, Result};

/// The state that all tests of this process share. It is built once, from the environment.
pub(crate) struct Process {
    pub(crate) config: Arc<Config>,
    pub(crate) background: Background,
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
                providers: Providers::new(Arc::clone(&config)),
                servers: Once::new(),
                config,
            })
        });
        &CURRENT
    }

    /// Returns the server that a test asks for: the one that this process has opened, else one
    /// that is found or started. A server for one test alone is always started.
    pub(crate) async fn server<S: Service>(self: &Arc<Self>, spec: &ServerSpec) -> Result<Opened> {
        let process = Arc::clone(self);
        if spec.exclusive {
            let spec = spec.clone();
            let open = async move { process.open::<S>(&spec).await };
            return Box::pin(self.background.run(open)).await;
        }
        let key = (TypeId::of::<S>(), spec.clone());
        let cell = self.servers.cell(&key);
        if let Some(opened) = cell.get() {
            return Ok(opened.clone());
        }
        let spec = spec.clone();
        let open = async move {
            cell.get_or_try_init(|| process.open::<S>(&spec))
                .await
                .cloned()
        };
        // On the heap: what happens only once must not make every test's future as large.
        Box::pin(self.background.run(open)).await
    }

    async fn open<S: Service>(&self, spec: &ServerSpec) -> Result<Opened> {
        let opened = self.providers.provide(spec, S::open).await;
        let (endpoint, server) = opened.map_err(|error| error.described_by(S::describe_error))?;
        Ok(Opened {
            endpoint,
            server: Arc::new(server),
        })
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
