//! A container, how to reach it, and the engine that runs it.

use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::ContainerInspectResponse;
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use super::super::{Address, BoxError, Endpoint, Source, Wanted};
use super::create::PASSWORD_LABEL;
use crate::{Error, Result, config};

/// The network that containers are in unless they are told otherwise.
const BRIDGE: &str = "bridge";

/// How long an engine may take to answer at all.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

/// A container, by its name.
#[derive(Clone)]
pub(crate) struct Container {
    /// Not set for one that is remembered: it may never be needed.
    engine: Option<Docker>,
    pub(super) name: String,
    /// Set once it was found.
    pub(super) id: Option<String>,
    pub(super) reach: Reach,
    /// The port on loopback that the engine's proxy listens on for as long as the container runs,
    /// where the container is reached by its own address.
    pub(super) published: Option<u16>,
}

/// How ports are reached: no more openly than it takes.
#[derive(Clone)]
pub(super) struct Reach {
    /// The address that the engine publishes on.
    pub(super) publish_on: String,
    /// The host that we connect to.
    pub(super) connect_to: String,
    /// Whether the containers' own addresses are on a network of this machine. To connect there
    /// spares the engine's proxy, which every byte to a published port on loopback goes through.
    pub(super) direct: bool,
}

impl Reach {
    pub(super) async fn of(engine: &Docker) -> Self {
        let same = |address: &str| Self {
            publish_on: address.to_owned(),
            connect_to: address.to_owned(),
            direct: false,
        };
        match config::engine_host() {
            Some(host) if host == "localhost" || host.starts_with("127.") => same("127.0.0.1"),
            Some(host) => Self {
                publish_on: "0.0.0.0".to_owned(),
                connect_to: host,
                direct: false,
            },
            None => match bridge_gateway(engine).await {
                // The address is our own, and so the engine runs here with us.
                Some(gateway) if std::net::TcpListener::bind((gateway.as_str(), 0)).is_ok() => {
                    Self {
                        direct: true,
                        ..same("127.0.0.1")
                    }
                }
                // From inside a container beside the engine's others, ports of the machine are
                // reached by the bridge's gateway.
                Some(gateway) if config::in_container() => same(&gateway),
                _ => same("127.0.0.1"),
            },
        }
    }
}

async fn bridge_gateway(engine: &Docker) -> Option<String> {
    let bridge = engine.inspect_network(BRIDGE, None).await.ok()?;
    bridge
        .ipam?
        .config?
        .into_iter()
        .find_map(|config| config.gateway)
        .filter(|gateway| !gateway.is_empty())
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Container {
    pub(super) fn new(engine: Docker, name: String, reach: Reach) -> Self {
        Self {
            engine: Some(engine),
            name,
            id: None,
            reach,
            published: None,
        }
    }

    /// A container whose engine was not asked.
    pub(super) fn unseen(name: String, host: &str) -> Self {
        let reach = Reach {
            publish_on: host.to_owned(),
            connect_to: host.to_owned(),
            direct: false,
        };
        Self {
            engine: None,
            name,
            id: None,
            reach,
            published: None,
        }
    }

    /// The same container, not reached at its own address.
    pub(super) fn at_its_published_port(&self) -> Self {
        Self {
            published: None,
            ..self.clone()
        }
    }

    pub(super) async fn engine(&self) -> Result<Docker> {
        match &self.engine {
            Some(engine) => Ok(engine.clone()),
            None => engine().await,
        }
    }

    pub(super) async fn start(&self) -> Result<()> {
        self.engine()
            .await?
            .start_container(&self.name, None)
            .await
            .map_err(|error| {
                Error::new(format!("start the container {}", self.name)).because(error)
            })
    }

    /// The last lines of the container's log; empty if it cannot be had.
    pub(crate) async fn log_tail(&self, lines: usize) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let Ok(engine) = self.engine().await else {
            return String::new();
        };
        let mut logs = std::pin::pin!(engine.logs(&self.name, Some(options)));
        let mut text = String::new();
        while let Some(Ok(line)) = logs.next().await {
            text.push_str(&line.to_string());
        }
        text
    }

    pub(super) async fn inspect(&self) -> Result<Option<ContainerInspectResponse>> {
        match self
            .engine()
            .await?
            .inspect_container(&self.name, None)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => {
                Err(Error::new(format!("inspect the container {}", self.name)).because(error))
            }
        }
    }

    /// Removes the container that was found: by its id, since the name may be that of a
    /// successor by now.
    pub(super) async fn remove(&self, found: &ContainerInspectResponse) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        if let (Some(id), Ok(engine)) = (&found.id, self.engine().await) {
            // Somebody else may have removed it, or the engine is doing so.
            let _ = engine.remove_container(id, Some(options)).await;
        }
    }
}

/// A Docker engine that answers.
pub(crate) async fn engine() -> Result<Docker> {
    let asked = match config::docker_host() {
        Some(host) => format!("DOCKER_HOST is `{host}`"),
        None => "DOCKER_HOST is not set, so the usual sockets were tried".to_owned(),
    };
    let unreachable = |error: BoxError| {
        Error::new("reach a Docker engine")
            .because(error)
            .note(asked.clone())
    };
    let engine = docker_client_instance()
        .await
        .map_err(|error| unreachable(error.into()))?;
    match tokio::time::timeout(ENGINE_TIMEOUT, engine.ping()).await {
        Ok(Ok(_)) => Ok(engine),
        Ok(Err(error)) => Err(unreachable(error.into())),
        Err(_) => Err(unreachable(
            format!("it did not answer within {ENGINE_TIMEOUT:?}").into(),
        )),
    }
}

/// How to reach a container that runs; `None` if the engine does not tell yet.
pub(super) fn endpoint_of(
    container: &Container,
    wanted: &Wanted,
    found: &ContainerInspectResponse,
) -> Option<Endpoint> {
    let network = found.network_settings.as_ref()?;
    let key = format!("{}/tcp", wanted.service.port());
    let binding = network.ports.as_ref()?.get(&key)?.as_ref()?.first()?;
    let labels = found.config.as_ref()?.labels.as_ref()?;
    let bridge = network.networks.as_ref().and_then(|all| all.get(BRIDGE));
    let published = binding.host_port.as_ref()?.parse().ok()?;
    let own = bridge.and_then(|bridge| bridge.ip_address.clone());
    let own = own.filter(|own| container.reach.direct && !own.is_empty());
    let behind = own.is_some().then_some(published);
    let (host, port) = match own {
        Some(own) => (own, wanted.service.port()),
        None => (container.reach.connect_to.clone(), published),
    };
    Some(Endpoint {
        address: Address::Ours {
            host,
            port,
            password: labels.get(PASSWORD_LABEL)?.clone(),
        },
        place: format!("docker container {} ({})", container.name, wanted.image),
        source: Source::Docker(Container {
            id: found.id.clone(),
            published: behind,
            ..container.clone()
        }),
    })
}
