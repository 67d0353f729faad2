//! An engine that a program reaches.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join3;

use super::super::identity::context;
use super::super::model::{Container, Image, Listed, NewContainer, RunError, Version};
use super::super::way::Way;
use super::arguments::Run;
use super::call::{Call, Failure};
use super::find::find;
use super::pull::{Layers, PAUSE, shown};
use super::{json, refusal};
use crate::config::{Config, host_of};
use crate::{Error, Result, report};

/// How long an engine may take to answer at all. One behind SSH takes some seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an image may take to be pulled.
const PULL: Duration = Duration::from_secs(30 * 60);

/// An engine that has answered to a program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    way: Way,
    file: PathBuf,
    host: Option<String>,
    gateway: Option<String>,
}

impl Program {
    /// Returns the engine that the program reaches, if it answers.
    pub(in super::super) async fn connect(config: &Config, way: Way) -> Result<Self> {
        let name = way.name();
        let unreachable = || Error::new(format!("reach an engine through the program `{name}`"));
        let file = find(config, name)
            .ok_or_else(|| unreachable().because(format!("there is no `{name}` in PATH")))?;
        let mut program = Self {
            way,
            file,
            host: None,
            gateway: None,
        };
        // At the same time: each run of a program costs a cold start some milliseconds.
        let (host, gateway, answer) = join3(
            program.find_host(config),
            program.find_gateway(),
            program.ping(),
        )
        .await;
        let failed = |failure: Failure| {
            let error = unreachable().because(failure);
            match config.docker_host() {
                Some(host) => error.note(format!("DOCKER_HOST is `{host}`")),
                None => error,
            }
        };
        answer.map_err(failed)?;
        program.gateway = gateway.map_err(failed)?;
        program.host = host;
        Ok(program)
    }

    /// Returns an engine that never answers.
    #[cfg(test)]
    pub(in super::super) fn unreachable() -> Self {
        Self {
            way: Way::Docker,
            file: PathBuf::from("/nonexistent/docker"),
            host: None,
            gateway: None,
        }
    }

    /// Returns the way that this is.
    pub(in super::super) fn way(&self) -> Way {
        self.way
    }

    pub(in super::super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    pub(in super::super) fn gateway(&self) -> Option<&str> {
        self.gateway.as_deref()
    }

    fn call(&self, arguments: &[&str]) -> Call<'_> {
        Call::new(&self.file, arguments)
    }

    /// Returns the host of the engine, if the environment, the context or the connection names one.
    async fn find_host(&self, config: &Config) -> Option<String> {
        let named = match self.way {
            Way::Docker => config.docker_host(),
            Way::Podman => config.podman_host(),
            Way::Nerdctl | Way::Library => None,
        };
        if let Some(address) = named {
            return host_of(address);
        }
        match self.way {
            Way::Docker => {
                context(config)?;
                let format = "{{.Endpoints.docker.Host}}";
                let call = self.call(&["context", "inspect", "--format", format]);
                host_of(call.limit(TIMEOUT).output().await.ok()?.trim())
            }
            Way::Podman => {
                let name = config.podman_connection();
                // On Linux it needs no connection, and uses none that is not asked for.
                if name.is_none() && cfg!(target_os = "linux") {
                    return None;
                }
                let list = ["system", "connection", "list", "--format", "json"];
                let listed = self.call(&list).limit(TIMEOUT).output().await.ok()?;
                host_of(&json::connection(&listed, name).ok()??)
            }
            Way::Nerdctl | Way::Library => None,
        }
    }

    /// Returns the gateway of the network that containers are in by default. An error means that no
    /// engine answers.
    async fn find_gateway(&self) -> Result<Option<String>, Failure> {
        let inspect = ["network", "inspect", self.network()];
        match self.call(&inspect).limit(TIMEOUT).output().await {
            Ok(text) => json::gateway(&text).map_err(|error| Failure(error.to_string())),
            Err(failure) if refusal::is_no_such_network(&failure.0) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Asks the engine of a program that knows networks without asking it.
    async fn ping(&self) -> Result<(), Failure> {
        match self.way {
            Way::Nerdctl => {
                let call = self.call(&["ps", "--quiet", "--last", "1"]);
                call.limit(TIMEOUT).output().await.map(drop)
            }
            Way::Docker | Way::Podman | Way::Library => Ok(()),
        }
    }

    pub(in super::super) async fn version(&self) -> Option<Version> {
        let version = self.call(&["version", "--format", "{{json .}}"]);
        let said = version.limit(TIMEOUT).output().await.ok()?;
        json::version(&said, self.way.name()).ok()?
    }

    /// Returns the network that containers are in by default.
    fn network(&self) -> &'static str {
        match self.way {
            Way::Podman => "podman",
            Way::Docker | Way::Nerdctl | Way::Library => "bridge",
        }
    }

    pub(in super::super) async fn inspect(&self, name: &str) -> Result<Option<Container>> {
        let failed = || Error::new(format!("inspect the container {name}"));
        let inspect = self.call(&["container", "inspect", name]);
        match inspect.output().await {
            Ok(text) => {
                json::container(&text, self.network()).map_err(|error| failed().because(error))
            }
            Err(failure) if refusal::is_no_such_container(&failure.0) => Ok(None),
            Err(failure) => Err(failed().because(failure)),
        }
    }

    pub(in super::super) async fn inspect_image(&self, name: &str) -> Result<Option<Image>> {
        let failed = || Error::new(format!("inspect the image {name}"));
        match self.call(&["image", "inspect", name]).output().await {
            Ok(text) => json::image(&text).map_err(|error| failed().because(error)),
            Err(failure) if refusal::is_no_such_image(&failure.0) => Ok(None),
            Err(failure) => Err(failed().because(failure)),
        }
    }

    pub(in super::super) async fn pull(&self, image: &str, platform: Option<&str>) -> Result<()> {
        report::progress(&format!("pulling the image {image}"));
        let mut options = vec!["pull"];
        // The others would fill their error output with it.
        options.extend((self.way != Way::Docker).then_some("--quiet"));
        options.extend(platform.into_iter().flat_map(|it| ["--platform", it]));
        let image_here = match self.way {
            Way::Podman => qualified(image),
            Way::Docker | Way::Nerdctl | Way::Library => image.to_owned(),
        };
        let call = self.call(&options).arguments([image_here]).limit(PULL);
        let layers = Layers::default();
        let pull = call.lines(|line| layers.read(line));
        let pulled = shown(image, &layers, PAUSE, report::progress, pull).await;
        pulled.map_err(|failure| Error::new(format!("pull the image {image}")).because(failure))
    }

    pub(in super::super) async fn run(&self, container: &NewContainer) -> Result<(), RunError> {
        let run = Run::of(container);
        let call = self
            .call(&["run"])
            .arguments(run.arguments)
            .environment(run.environment)
            .input(run.input);
        call.output().await.map(drop).map_err(|failure| {
            if refusal::is_name_taken(&failure.0) {
                RunError::NameTaken(failure.into())
            } else {
                RunError::Failed(failure.into())
            }
        })
    }

    pub(in super::super) async fn start(&self, container: &str) -> Result<()> {
        let started = self.call(&["start", container]).output().await;
        started.map(drop).map_err(|failure| {
            Error::new(format!("start the container {container}")).because(failure)
        })
    }

    pub(in super::super) async fn remove(&self, id: &str) {
        let _ = self
            .call(&["rm", "--force", "--volumes", id])
            .output()
            .await;
    }

    pub(in super::super) async fn log_tail(&self, container: &str, lines: usize) -> String {
        let lines = lines.to_string();
        let call = self.call(&["logs", "--tail", &lines, container]);
        call.both_outputs().output().await.unwrap_or_default()
    }

    pub(in super::super) async fn list(&self, label: &str) -> Vec<Listed> {
        let list = ["ps", "--all", "--quiet", "--no-trunc", "--filter"];
        let call = self.call(&list).arguments([format!("label={label}")]);
        let ids = call.output().await.unwrap_or_default();
        let ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
        if ids.is_empty() {
            return Vec::new();
        }
        // It fails if one of them has ended meanwhile, and describes the others.
        let call = self.call(&["container", "inspect"]).arguments(ids);
        let described = call.partial_output().await;
        json::listed(&described).unwrap_or_default()
    }
}

/// Returns the whole name of an image of Docker Hub. A short name can have several meanings, and
/// podman asks the terminal which one applies.
fn qualified(image: &str) -> String {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

#[cfg(test)]
mod tests;
