//! The Docker engine.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::ContainerInspectResponse;
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use crate::config::Config;
use crate::service::BoxError;
use crate::{Error, Result};

/// How long an engine may take to answer at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A Docker engine that has answered.
#[derive(Clone)]
pub(in crate::provider) struct Engine(Docker);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Returns the engine that the environment names, or one at a usual socket, if it answers.
    pub(in crate::provider) async fn connect(config: &Config) -> Result<Self> {
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
            Ok(Ok(_)) => Ok(Self(docker)),
            Ok(Err(error)) => Err(unreachable(error.into())),
            Err(_) => Err(unreachable(
                format!("it did not answer within {TIMEOUT:?}").into(),
            )),
        }
    }

    /// Returns an engine that never answers.
    #[cfg(test)]
    pub(super) fn unreachable() -> Self {
        let version = testcontainers::bollard::API_DEFAULT_VERSION;
        Self(Docker::connect_with_http("http://127.0.0.1:1", 1, version).expect("a client"))
    }

    /// Returns the client of the engine's interface.
    pub(super) fn api(&self) -> &Docker {
        &self.0
    }

    /// Returns what the engine knows of a container, if it has one of this name.
    pub(super) async fn inspect(&self, name: &str) -> Result<Option<ContainerInspectResponse>> {
        match self.0.inspect_container(name, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(Error::new(format!("inspect the container {name}")).because(error)),
        }
    }

    /// Starts a container that was created.
    pub(super) async fn start(&self, name: &str) -> Result<()> {
        self.0
            .start_container(name, None)
            .await
            .map_err(|error| Error::new(format!("start the container {name}")).because(error))
    }

    /// Removes a container by its id: its name may be that of a successor by now.
    pub(super) async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        // Another process, or the engine itself, may have removed it.
        let _ = self.0.remove_container(id, Some(options)).await;
    }

    /// Returns the last lines of a container's log; nothing if it cannot be read.
    pub(super) async fn log_tail(&self, container: &str, lines: usize) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut log = std::pin::pin!(self.0.logs(container, Some(options)));
        let mut text = String::new();
        while let Some(Ok(line)) = log.next().await {
            text.push_str(&line.to_string());
        }
        text
    }
}

/// Returns the HTTP status that the engine has answered with.
pub(super) fn status(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Returns an error and its causes in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
