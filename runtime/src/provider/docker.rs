//! Servers in containers, through testcontainers: the only file that names it.
//!
//! A container's name is derived from what is wanted, so that threads, binaries and processes
//! find each other's servers. The container ends itself (see `watchdog.sh`) and is removed by
//! the engine then; testcontainers' own removal on drop is not used, since it needs a process
//! that lives until then.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HostConfig, ImageConfig, PortBinding,
};
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::error::ClientError;
use testcontainers::core::{ContainerPort, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, Image, ImageExt, TestcontainersError};
use testcontainers_modules::{postgres, redis};
use tokio::time::{Instant, sleep};

use super::{Address, BoxError, Endpoint, Service, Source, WATCHDOG, Wanted, random};
use crate::{Error, Result, config, report};

/// How often a server that does not answer yet is asked again.
const POLL: Duration = Duration::from_millis(15);
/// How often its container is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(400);
/// How long an engine may take to answer at all.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a server that vanished before it answered is started anew.
const ATTEMPTS: u32 = 5;

const PASSWORD_LABEL: &str = "container-test.password";
const SERVICE_LABEL: &str = "container-test.service";
/// Whose container it is, for people and for whoever counts.
const USER_LABEL: &str = "container-test.user";

/// A container, by its name.
#[derive(Clone)]
pub(crate) struct Container {
    engine: Docker,
    name: String,
    /// Set once it was found.
    id: Option<String>,
    reach: Reach,
}

/// How published ports are reached: no more openly than it takes.
#[derive(Clone)]
struct Reach {
    /// The address that the engine publishes on.
    publish_on: String,
    /// The host that we connect to.
    connect_to: String,
}

impl Reach {
    async fn of(engine: &Docker) -> Self {
        let same = |address: &str| Self {
            publish_on: address.to_owned(),
            connect_to: address.to_owned(),
        };
        match config::engine_host() {
            Some(host) if host == "localhost" || host.starts_with("127.") => same("127.0.0.1"),
            Some(host) => Self {
                publish_on: "0.0.0.0".to_owned(),
                connect_to: host,
            },
            None if config::in_container() => match bridge_gateway(engine).await {
                // From inside a container beside the engine's others, ports of the machine are
                // reached by the bridge's gateway; unless that address is our own, and so the
                // engine is in here with us.
                Some(gateway) if std::net::TcpListener::bind((gateway.as_str(), 0)).is_err() => {
                    same(&gateway)
                }
                _ => same("127.0.0.1"),
            },
            None => same("127.0.0.1"),
        }
    }
}

async fn bridge_gateway(engine: &Docker) -> Option<String> {
    let bridge = engine.inspect_network("bridge", None).await.ok()?;
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
    /// The last lines of the container's log; empty if it cannot be had.
    pub(crate) async fn log_tail(&self, lines: usize) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut logs = std::pin::pin!(self.engine.logs(&self.name, Some(options)));
        let mut text = String::new();
        while let Some(Ok(line)) = logs.next().await {
            text.push_str(&line.to_string());
        }
        text
    }

    async fn inspect(&self) -> Result<Option<ContainerInspectResponse>> {
        match self.engine.inspect_container(&self.name, None).await {
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
    async fn remove(&self, found: &ContainerInspectResponse) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        if let Some(id) = &found.id {
            // Somebody else may have removed it, or the engine is doing so.
            let _ = self.engine.remove_container(id, Some(options)).await;
        }
    }
}

/// Finds or starts the container and waits until `connect` succeeds.
pub(super) async fn provide<T, C, F>(
    wanted: &Wanted,
    engine: Docker,
    connect: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let idle = if wanted.only_for.is_some() {
        Duration::from_secs(2)
    } else {
        config::idle()?
    };
    let reach = Reach::of(&engine).await;
    let container = Container {
        engine,
        name: wanted.server_name(idle),
        id: None,
        reach,
    };
    let mut attempt = 1;
    loop {
        let endpoint = match find(&container, wanted).await? {
            Some(endpoint) => endpoint,
            None => match create(&container, wanted, idle).await? {
                Created::Now | Created::BySomebodyElse => continue,
            },
        };
        match wait(&container, wanted, idle, &endpoint, &connect).await? {
            Some(lease) => return Ok((endpoint, lease)),
            None if attempt < ATTEMPTS => attempt += 1,
            None => {
                return Err(
                    Error::new(format!("reach the container {}", container.name))
                        .because(format!("it vanished {ATTEMPTS} times before it answered")),
                );
            }
        }
    }
}

/// A Docker engine that answers.
pub(super) async fn engine() -> Result<Docker> {
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

/// The running container, if there is one; makes way for a new one where a dead one is left.
async fn find(container: &Container, wanted: &Wanted) -> Result<Option<Endpoint>> {
    let deadline = Instant::now() + wanted.startup_timeout;
    loop {
        let Some(found) = container.inspect().await? else {
            return Ok(None);
        };
        let status = found.state.as_ref().and_then(|state| state.status);
        match status {
            Some(ContainerStateStatusEnum::RUNNING) => {
                if let Some(endpoint) = endpoint_of(container, wanted, &found) {
                    return Ok(Some(endpoint));
                }
            }
            // Its creator is about to start it, or died before it could: starting it is safe
            // for whoever comes first, and no failure for whoever comes second.
            Some(ContainerStateStatusEnum::CREATED) => {
                if container
                    .engine
                    .start_container(&container.name, None)
                    .await
                    .is_err()
                {
                    sleep(LOOK).await;
                }
            }
            Some(ContainerStateStatusEnum::PAUSED) => {
                return Err(Error::new(format!("use the container {}", container.name))
                    .because("it is paused")
                    .with_help(format!(
                        "run `docker unpause {0}`, or `docker rm -f {0}`",
                        container.name
                    )));
            }
            // The engine removes it by itself, unless the engine was stopped meanwhile.
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
                container.remove(&found).await
            }
            _ => {}
        }
        if Instant::now() > deadline {
            return Err(Error::new(format!("use the container {}", container.name))
                .because(format!("it stays in the state {status:?}"))
                .with_help(format!("remove it with `docker rm -f {}`", container.name)));
        }
        sleep(POLL).await;
    }
}

fn endpoint_of(
    container: &Container,
    wanted: &Wanted,
    found: &ContainerInspectResponse,
) -> Option<Endpoint> {
    let network = found.network_settings.as_ref()?;
    let key = format!("{}/tcp", wanted.service.port());
    let binding = network.ports.as_ref()?.get(&key)?.as_ref()?.first()?;
    let labels = found.config.as_ref()?.labels.as_ref()?;
    Some(Endpoint {
        address: Address::Ours {
            host: container.reach.connect_to.clone(),
            port: binding.host_port.as_ref()?.parse().ok()?,
            password: labels.get(PASSWORD_LABEL)?.clone(),
        },
        place: format!("docker container {} ({})", container.name, wanted.image),
        source: Source::Docker(Container {
            id: found.id.clone(),
            ..container.clone()
        }),
    })
}

/// Waits until the server answers; `None` if the container is on its way out.
async fn wait<T, C, F>(
    container: &Container,
    wanted: &Wanted,
    idle: Duration,
    endpoint: &Endpoint,
    connect: &C,
) -> Result<Option<T>>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let since = Instant::now();
    let deadline = since + wanted.startup_timeout;
    let mut look_at = Instant::now() + LOOK;
    let mut log = String::new();
    loop {
        let failure = match connect(endpoint.clone()).await {
            Ok(lease) => return Ok(Some(lease)),
            Err(failure) => failure,
        };
        if Instant::now() > look_at {
            look_at = Instant::now() + LOOK;
            let tail = container.log_tail(50).await;
            log = if tail.is_empty() { log } else { tail };
            if let Some(end) = log
                .lines()
                .find(|line| line.contains("the server ended by itself"))
            {
                let end = end
                    .rsplit("container-test-watchdog: ")
                    .next()
                    .unwrap_or(end);
                return Err(Error::new("start the server").because(end.to_owned()).note(log_note(&log)).with_help(
                    "the server's own words above say why; check the options `args`, `env` and `image`",
                ));
            }
            let found = container.inspect().await?;
            let running = found
                .as_ref()
                .and_then(|found| found.state.as_ref()?.running);
            let gone = running != Some(true) || found.is_some_and(|found| !endpoint.is(&found));
            if gone && since.elapsed() >= idle {
                return Err(unanswered(endpoint, failure, &log)
                    .note("it ended, since nobody could connect to it"));
            } else if gone {
                // It was about to end when we found it.
                return Ok(None);
            }
        }
        if Instant::now() > deadline {
            let waited = format!("it did not answer within {:?}", wanted.startup_timeout);
            return Err(unanswered(endpoint, failure, &log).note(waited));
        }
        sleep(POLL).await;
    }
}

impl Endpoint {
    /// Whether this is the container that was found under the name.
    fn is(&self, found: &ContainerInspectResponse) -> bool {
        matches!(&self.source, Source::Docker(container) if container.id == found.id)
    }
}

fn unanswered(endpoint: &Endpoint, failure: BoxError, log: &str) -> Error {
    Error::new(format!("connect to the {}", endpoint.place))
        .because(failure)
        .note(log_note(log))
        .with_help("see in its log what it waits for and where it listens; `startup_timeout = \"…\"` gives it more time")
}

fn log_note(log: &str) -> String {
    if log.trim().is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its last log lines:\n{log}")
    }
}

/// Who created a container.
enum Created {
    Now,
    BySomebodyElse,
}

async fn create(container: &Container, wanted: &Wanted, idle: Duration) -> Result<Created> {
    let image = Reference::parse(&full_name(&wanted.image));
    let original = image_config(&container.engine, &image).await?;
    match wanted.service {
        Service::Postgres => {
            let password = random()?;
            let server = postgres::Postgres::default().with_password(&password);
            start(container, wanted, idle, &image, original, server, password).await
        }
        Service::Redis => {
            start(
                container,
                wanted,
                idle,
                &image,
                original,
                redis::Redis::default(),
                random()?,
            )
            .await
        }
    }
}

#[allow(clippy::too_many_arguments)]
async fn start<I: Image>(
    container: &Container,
    wanted: &Wanted,
    idle: Duration,
    image: &Reference,
    original: ImageConfig,
    server: I,
    password: String,
) -> Result<Created> {
    let port = wanted.service.port();
    let mut command = vec![
        "-c".to_owned(),
        WATCHDOG.to_owned(),
        "container-test-watchdog".to_owned(),
        port.to_string(),
        idle.as_secs().to_string(),
        wanted.startup_timeout.as_secs().max(1).to_string(),
        wanted.service.stop_signal().to_owned(),
        String::new(),
    ];
    command.extend(original.entrypoint.clone().unwrap_or_default());
    command.extend(original.cmd.clone().unwrap_or_default());
    command.extend(
        wanted
            .args
            .iter()
            .map(|argument| argument.replace("{password}", &password)),
    );

    let exposed = [port.tcp()];
    let watched = Watched { server, exposed };
    let address = container.reach.publish_on.clone();
    let volumes = original.volumes.unwrap_or_default();
    let mut request = watched
        .with_name(&image.name)
        .with_tag(&image.tag)
        .with_container_name(&container.name)
        .with_ready_conditions(Vec::new())
        .with_startup_timeout(wanted.startup_timeout)
        .with_label(SERVICE_LABEL, wanted.service.name())
        .with_label(USER_LABEL, config::user())
        .with_label(PASSWORD_LABEL, &password)
        .with_cmd(command)
        .with_host_config_modifier(move |host| adjust(host, &address, port, &volumes));
    for (name, value) in &wanted.env {
        request = request.with_env_var(name, value);
    }
    match request.start().await {
        Ok(started) => {
            // Dropping it would remove the container.
            std::mem::forget(started);
            Ok(Created::Now)
        }
        Err(error) => {
            if is_conflict(&error) {
                return Ok(Created::BySomebodyElse);
            }
            // What was created but does not start is of no use, and testcontainers leaves it.
            if let Some(found) = container.inspect().await?
                && found.state.as_ref().and_then(|state| state.status)
                    == Some(ContainerStateStatusEnum::CREATED)
            {
                container.remove(&found).await;
            }
            let text = chain(&error);
            let help = if text.contains("\"sh\"") {
                "the image has no shell at `sh`, which the watchdog needs; use an image that has one"
            } else {
                "the engine's own words above say why; `docker run` with the same image shows more"
            };
            Err(
                Error::new(format!("start the container {}", container.name))
                    .because(text)
                    .with_help(help),
            )
        }
    }
}

/// Publishes the port where only we reach it, keeps the data in memory, and has the engine
/// remove the container when it ends.
fn adjust(host: &mut HostConfig, address: &str, port: u16, volumes: &[String]) {
    let binding = PortBinding {
        host_ip: Some(address.to_owned()),
        host_port: None,
    };
    host.auto_remove = Some(true);
    host.publish_all_ports = Some(false);
    host.port_bindings = Some(HashMap::from([(
        format!("{port}/tcp"),
        Some(vec![binding]),
    )]));
    host.shm_size = Some(1 << 30);
    host.tmpfs = Some(
        volumes
            .iter()
            .map(|path| (path.clone(), String::new()))
            .collect(),
    );
}

/// Whether somebody else has created a container of this name.
fn is_conflict(error: &TestcontainersError) -> bool {
    matches!(
        error,
        TestcontainersError::Client(ClientError::CreateContainer(
            EngineError::DockerResponseServerError {
                status_code: 409,
                ..
            }
        ))
    )
}

fn chain(error: &dyn std::error::Error) -> String {
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

/// The image's own entrypoint, arguments and volumes; pulls the image if it is not there.
async fn image_config(engine: &Docker, image: &Reference) -> Result<ImageConfig> {
    let descriptor = image.descriptor();
    let mut inspected = engine.inspect_image(&descriptor).await;
    if let Err(EngineError::DockerResponseServerError {
        status_code: 404, ..
    }) = inspected
    {
        report::progress(&format!("pulling the image {descriptor}"));
        let _pulled = GenericImage::new(&image.name, &image.tag)
            .pull_image()
            .await
            .map_err(|error| {
                Error::new(format!("pull the image {descriptor}"))
                    .because(chain(&error))
                    .with_help(
                        "check its name and tag, and that the registry can be reached; \
                 TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX names a mirror of Docker Hub",
                    )
            })?;
        inspected = engine.inspect_image(&descriptor).await;
    }
    inspected
        .map(|image| image.config.unwrap_or_default())
        .map_err(|error| Error::new(format!("inspect the image {descriptor}")).because(error))
}

/// A module's image under our watchdog.
struct Watched<I> {
    server: I,
    exposed: [ContainerPort; 1],
}

impl<I: Image> Image for Watched<I> {
    fn name(&self) -> &str {
        self.server.name()
    }

    fn tag(&self) -> &str {
        self.server.tag()
    }

    fn ready_conditions(&self) -> Vec<WaitFor> {
        Vec::new()
    }

    fn entrypoint(&self) -> Option<&str> {
        Some("sh")
    }

    fn expose_ports(&self) -> &[ContainerPort] {
        &self.exposed
    }

    fn env_vars(
        &self,
    ) -> impl IntoIterator<Item = (impl Into<Cow<'_, str>>, impl Into<Cow<'_, str>>)> {
        self.server.env_vars()
    }
}

/// An image's name and tag.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    name: String,
    tag: String,
}

impl Reference {
    fn parse(image: &str) -> Self {
        let name_starts = image.rfind('/').map_or(0, |slash| slash + 1);
        match image[name_starts..].rfind(':') {
            Some(colon) => Self {
                name: image[..name_starts + colon].to_owned(),
                tag: image[name_starts + colon + 1..].to_owned(),
            },
            None => Self {
                name: image.to_owned(),
                tag: "latest".to_owned(),
            },
        }
    }

    fn descriptor(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

/// The image's name with the prefix for Docker Hub, if it comes from there.
fn full_name(image: &str) -> String {
    let from_hub = image
        .split_once('/')
        .is_none_or(|(first, _)| !first.contains(['.', ':']) && first != "localhost");
    match config::image_prefix() {
        Some(prefix) if from_hub => format!("{}/{image}", prefix.trim_end_matches('/')),
        _ => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_are_split_at_the_tag() {
        let split = |image| {
            let Reference { name, tag } = Reference::parse(image);
            (name, tag)
        };
        let pair = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(split("postgres:17-alpine"), pair("postgres", "17-alpine"));
        assert_eq!(split("postgres"), pair("postgres", "latest"));
        assert_eq!(
            split("mirror.example:5000/pg"),
            pair("mirror.example:5000/pg", "latest")
        );
        assert_eq!(
            split("mirror.example:5000/a/pg:1"),
            pair("mirror.example:5000/a/pg", "1")
        );
    }
}
