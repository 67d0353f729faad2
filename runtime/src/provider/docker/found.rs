//! A container that runs, and the addresses that its server may have.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::engine::{Container, Engine, connect};
use super::labels;
use super::reach::Reach;
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
        inspected: &Container,
    ) -> Option<Self> {
        let id = inspected.id.clone();
        let (published, own) = address(reach, inspected, request.spec.port)?;
        let log: Arc<dyn ServerLog> = Arc::new(ContainerLog {
            engine: Some(engine.clone()),
            config: Arc::clone(&request.config),
            container: id.clone(),
        });
        let at = |address| Endpoint {
            address,
            description: description(request),
            outlives_tests: false,
            log: Arc::clone(&log),
        };
        let published = at(published);
        Some(match own {
            Some(own) => Self {
                id,
                endpoint: at(own),
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
    pub(super) fn is(&self, inspected: &Container) -> bool {
        inspected.id == self.id
    }
}

/// Returns where a container's server is published, and, if that can be reached, its own address;
/// `None` if the engine does not say yet, or the container has no password.
pub(super) fn address(
    reach: &Reach,
    inspected: &Container,
    port: u16,
) -> Option<(Address, Option<Address>)> {
    let published = inspected.ports.get(&format!("{port}/tcp"))?;
    let password = inspected.labels.get(labels::PASSWORD)?;
    let at = |host: &str, port| Address::Started {
        host: host.to_owned(),
        port,
        password: password.clone(),
        remote: reach.remote,
    };
    let own = inspected.address.as_deref().filter(|_| reach.direct);
    Some((
        at(&reach.connect_to, *published),
        own.map(|own| at(own, port)),
    ))
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
                None => match connect(&self.config).await {
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
