//! A container that runs, and the addresses that its server may have.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use testcontainers::bollard::models::ContainerInspectResponse;

use super::engine::Engine;
use super::labels;
use super::reach::{BRIDGE, Reach};
use crate::config::Config;
use crate::provider::request::Request;
use crate::service::{Address, Endpoint, ServerLog};

/// A container that runs.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: String,
    /// The server, where it is tried first.
    pub(super) endpoint: Endpoint,
    /// The server at its published port, if it is tried at the container's own address first.
    pub(super) published: Option<Endpoint>,
}

impl Found {
    /// Returns how to reach a container that runs; `None` if the engine does not say yet.
    pub(super) fn new(
        engine: &Engine,
        request: &Request,
        reach: &Reach,
        inspected: &ContainerInspectResponse,
    ) -> Option<Self> {
        let id = inspected.id.clone()?;
        let network = inspected.network_settings.as_ref()?;
        let key = format!("{}/tcp", request.spec.port);
        let binding = network.ports.as_ref()?.get(&key)?.as_ref()?.first()?;
        let labels = inspected.config.as_ref()?.labels.as_ref()?;
        let password = labels.get(labels::PASSWORD)?;
        let log: Arc<dyn ServerLog> = Arc::new(ContainerLog {
            engine: Some(engine.clone()),
            config: Arc::clone(&request.config),
            container: id.clone(),
        });
        let at = |host: &str, port| Endpoint {
            address: Address::Started {
                host: host.to_owned(),
                port,
                password: password.clone(),
                remote: reach.remote,
            },
            description: description(request),
            outlives_tests: false,
            log: Arc::clone(&log),
        };
        let published = at(&reach.connect_to, binding.host_port.as_ref()?.parse().ok()?);
        let bridge = network.networks.as_ref().and_then(|all| all.get(BRIDGE));
        let own = bridge.and_then(|bridge| bridge.ip_address.as_deref());
        Some(match own.filter(|own| reach.direct && !own.is_empty()) {
            Some(own) => Self {
                id,
                endpoint: at(own, request.spec.port),
                published: Some(published),
            },
            None => Self {
                id,
                endpoint: published,
                published: None,
            },
        })
    }

    /// Returns whether this is the container that the engine has found now.
    pub(super) fn is(&self, inspected: &ContainerInspectResponse) -> bool {
        inspected.id.as_ref() == Some(&self.id)
    }
}

/// Returns where the server runs, for people.
pub(super) fn description(request: &Request) -> String {
    format!("docker container {} ({})", request.name, request.spec.image)
}

/// The log of a container, by its id or name.
pub(super) struct ContainerLog {
    /// Not set for a server whose address was cached: the engine may never be needed.
    pub(super) engine: Option<Engine>,
    pub(super) config: Arc<Config>,
    pub(super) container: String,
}

impl ServerLog for ContainerLog {
    fn tail(&self, lines: usize) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(async move {
            let connected;
            let engine = match &self.engine {
                Some(engine) => engine,
                None => match Engine::connect(&self.config).await {
                    Ok(engine) => {
                        connected = engine;
                        &connected
                    }
                    Err(_) => return String::new(),
                },
            };
            engine.log_tail(&self.container, lines).await
        })
    }
}
