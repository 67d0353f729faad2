//! An engine through testcontainers and the client that it has.

mod pull;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, ImageInspect, Ipam, PortBinding,
};
use testcontainers::bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use super::chain::chain;
use super::model::{Container, Image, Listed, NewContainer, RunError, State, Version};
use super::network;
use crate::config::{Config, host_of};
use crate::service::BoxError;
use crate::{Error, Result};

/// How long an engine may take to answer at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The network that containers are in by default.
const BRIDGE: &str = "bridge";

/// An engine that has answered.
#[derive(Clone)]
pub(crate) struct Library {
    docker: Docker,
    host: Option<String>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}

impl Library {
    /// Returns the engine that the environment names, or one at a usual socket, if it answers.
    pub(crate) async fn connect(config: &Config) -> Result<Self> {
        let asked = match config.docker_host() {
            Some(host) => format!("DOCKER_HOST is `{host}`"),
            None => "DOCKER_HOST is not set, so the usual sockets were tried".to_owned(),
        };
        let unreachable = |error: BoxError| {
            Error::new("reach a Docker engine")
                .because(error)
                .note(asked.clone())
        };
        let docker = docker_client_instance()
            .await
            .map_err(|error| unreachable(error.into()))?;
        match tokio::time::timeout(TIMEOUT, docker.ping()).await {
            Ok(Ok(_)) => Ok(Self {
                docker,
                host: config.docker_host().and_then(host_of),
            }),
            Ok(Err(error)) => Err(unreachable(error.into())),
            Err(_) => Err(unreachable(
                format!("it did not answer within {TIMEOUT:?}").into(),
            )),
        }
    }

    /// Returns an engine that never answers.
    #[cfg(test)]
    pub(crate) fn unreachable() -> Self {
        let version = testcontainers::bollard::API_DEFAULT_VERSION;
        Self {
            docker: Docker::connect_with_http("http://127.0.0.1:1", 1, version).expect("a client"),
            host: None,
        }
    }

    /// Returns the client of the engine's interface.
    pub(crate) fn api(&self) -> &Docker {
        &self.docker
    }

    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    pub(super) async fn version(&self) -> Option<Version> {
        let said = self.docker.version().await.ok()?;
        let components = said.components.unwrap_or_default();
        let name = components.first().map_or("", |first| &first.name);
        Some(Version::of(name, &said.version?))
    }

    pub(crate) async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        match self.docker.inspect_container(name, None).await {
            Ok(found) => Ok(Some(container(found))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(Error::new(format!("inspect the container {name}")).because(error)),
        }
    }

    pub(super) async fn inspect_image(&self, name: &str) -> Result<Option<Image>> {
        match self.docker.inspect_image(name).await {
            Ok(found) => Ok(Some(image(name, found))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(Error::new(format!("inspect the image {name}")).because(error)),
        }
    }

    pub(super) async fn pull(&self, image: &str, platform: Option<&str>) -> Result<()> {
        let pulled = pull::pull(&self.docker, image, platform).await;
        pulled.map_err(|cause| Error::new(format!("pull the image {image}")).because(cause))
    }

    pub(super) async fn run(&self, container: &NewContainer) -> Result<(), RunError> {
        let mut options = CreateContainerOptionsBuilder::new().name(&container.name);
        if let Some(platform) = &container.platform {
            options = options.platform(platform);
        }
        let create = self
            .docker
            .create_container(Some(options.build()), body(container));
        let created = create.await.map_err(|error| {
            let taken = status(&error) == Some(409);
            let text = chain(&error).into();
            if taken {
                RunError::NameTaken(text)
            } else {
                RunError::Failed(text)
            }
        })?;
        let started = self.docker.start_container(&created.id, None).await;
        started.map_err(|error| RunError::Failed(chain(&error).into()))
    }

    pub(super) async fn start(&self, name: &str) -> Result<()> {
        let started = self.docker.start_container(name, None).await;
        started.map_err(|error| Error::new(format!("start the container {name}")).because(error))
    }

    pub(crate) async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let _ = self.docker.remove_container(id, Some(options)).await;
    }

    pub(super) async fn log_tail(&self, container: &str, lines: usize) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut log = std::pin::pin!(self.docker.logs(container, Some(options)));
        let mut text = String::new();
        while let Some(Ok(line)) = log.next().await {
            text.push_str(&line.to_string());
        }
        text
    }

    pub(super) async fn list(&self, label: &str) -> Vec<Listed> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.unwrap_or_default().into_iter();
        listed
            .filter_map(|container| {
                Some(Listed {
                    id: container.id?,
                    state: State::of(container.state?.as_ref()),
                    labels: container.labels.unwrap_or_default().into_iter().collect(),
                    created: u64::try_from(container.created?).ok()?,
                })
            })
            .collect()
    }

    pub(super) async fn gateway(&self) -> Option<String> {
        let bridge = self.docker.inspect_network(BRIDGE, None).await.ok()?;
        gateway(bridge.ipam?)
    }
}

fn gateway(ipam: Ipam) -> Option<String> {
    ipam.config?
        .into_iter()
        .find_map(|config| network::gateway(config.gateway.as_deref(), config.subnet.as_deref()))
}

/// Returns the request that creates a container.
fn body(container: &NewContainer) -> ContainerCreateBody {
    let publish = container.publish.as_ref().map(|publish| {
        let binding = PortBinding {
            host_ip: Some(publish.address.clone()),
            host_port: None,
        };
        (format!("{}/tcp", publish.port), vec![binding])
    });
    let environment = container.environment.iter();
    let in_memory = container.tmpfs.iter();
    ContainerCreateBody {
        image: Some(container.image.clone()),
        entrypoint: Some(vec![container.entrypoint.clone()]),
        cmd: Some(container.command.clone()),
        env: Some(
            environment
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(container.labels.iter().cloned().collect()),
        exposed_ports: publish.as_ref().map(|(port, _)| vec![port.clone()]),
        host_config: Some(HostConfig {
            auto_remove: Some(true),
            port_bindings: publish.map(|(port, bindings)| [(port, Some(bindings))].into()),
            shm_size: container
                .shared_memory
                .and_then(|bytes| i64::try_from(bytes).ok()),
            tmpfs: Some(
                in_memory
                    .map(|path| (path.clone(), String::new()))
                    .collect(),
            ),
            binds: Some(container.binds.clone()),
            network_mode: container.network.clone(),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn container(inspected: ContainerInspectResponse) -> Container {
    let network = inspected.network_settings.unwrap_or_default();
    let bridge = network
        .networks
        .and_then(|mut networks| networks.remove(BRIDGE));
    let state = inspected.state.and_then(|state| state.status);
    let ports = network.ports.unwrap_or_default().into_iter();
    let labels = inspected.config.and_then(|config| config.labels);
    Container {
        id: inspected.id.unwrap_or_default(),
        state: State::of(&state.map(|state| state.to_string()).unwrap_or_default()),
        labels: labels.unwrap_or_default().into_iter().collect(),
        ports: ports
            .filter_map(|(port, bindings)| {
                let binding = bindings?.into_iter().next()?;
                Some((port, binding.host_port?.parse().ok()?))
            })
            .collect(),
        address: bridge
            .and_then(|bridge| bridge.ip_address)
            .filter(|address| !address.is_empty()),
    }
}

fn image(name: &str, inspected: ImageInspect) -> Image {
    let config = inspected.config.unwrap_or_default();
    Image {
        id: inspected.id.unwrap_or_else(|| name.to_owned()),
        entrypoint: config.entrypoint.unwrap_or_default(),
        cmd: config.cmd.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
        ports: config.exposed_ports.unwrap_or_default(),
        stop_signal: config.stop_signal,
    }
}

/// Returns the HTTP status that the engine has answered with.
fn status(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
