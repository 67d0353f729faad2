//! Creates and starts containers that end by themselves.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::{
    ContainerStateStatusEnum, HostConfig, ImageConfig, ImageInspect, PortBinding,
};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::error::ClientError;
use testcontainers::core::{ContainerPort, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{Image, ImageExt, TestcontainersError};
use testcontainers_modules::{postgres, redis};

use super::super::{Service, WATCHDOG, Wanted, random};
use super::container::Container;
use super::image::{self, Reference, full_name};
use super::prepared::Prepared;
use crate::{Error, Result, config};

pub(super) const PASSWORD_LABEL: &str = "container-test.password";
/// How PostgreSQL's images are told the password.
pub(super) const PASSWORD: &str = "POSTGRES_PASSWORD";
const SERVICE_LABEL: &str = "container-test.service";
/// Whose container it is, for people and for whoever counts.
pub(super) const USER_LABEL: &str = "container-test.user";
/// Age from which a container that was never started is somebody's who died before starting it.
const NEVER_STARTED: Duration = Duration::from_secs(60);

/// Removes containers of ours that were created but never started: the engine removes only what
/// has run, and their creators are gone.
async fn sweep(engine: &Docker) {
    let filters = HashMap::from([
        ("label".to_owned(), vec![USER_LABEL.to_owned()]),
        ("status".to_owned(), vec!["created".to_owned()]),
    ]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    for left in engine
        .list_containers(Some(options))
        .await
        .unwrap_or_default()
    {
        let created = u64::try_from(left.created.unwrap_or(i64::MAX)).unwrap_or_default();
        if let Some(id) = left.id
            && now.saturating_sub(Duration::from_secs(created)) > NEVER_STARTED
        {
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            // Somebody else may be sweeping, too.
            let _ = engine.remove_container(&id, Some(options)).await;
        }
    }
}

/// Creates and starts the container, unless somebody else is faster. Gives what may be prepared for
/// the next one.
pub(super) async fn create(
    container: &Container,
    wanted: &Wanted,
    idle: Duration,
) -> Result<Option<(Prepared, ImageInspect)>> {
    let engine = container.engine().await?;
    sweep(&engine).await;
    let image = Reference::parse(&full_name(&wanted.image));
    let inspected = image::inspect(&engine, &image).await?;
    let original = inspected.config.clone().unwrap_or_default();
    let start = Start {
        container,
        wanted,
        idle,
        image: &image,
        original,
    };
    match wanted.service {
        Service::Postgres => {
            let prepared = Prepared::of(container, wanted, &inspected);
            let password = match &prepared {
                Some(prepared) => prepared.password.clone(),
                None => random()?,
            };
            let server = postgres::Postgres::default().with_password(&password);
            let there = prepared.as_ref().filter(|prepared| prepared.is_there());
            start.run(server, password, there).await?;
            Ok(prepared
                .filter(|prepared| !prepared.is_there())
                .map(|prepared| (prepared, inspected)))
        }
        Service::Redis => {
            start.run(redis::Redis::default(), random()?, None).await?;
            Ok(None)
        }
    }
}

/// What a container is started from.
struct Start<'a> {
    container: &'a Container,
    wanted: &'a Wanted,
    idle: Duration,
    image: &'a Reference,
    original: ImageConfig,
}

impl Start<'_> {
    async fn run<I: Image>(
        self,
        server: I,
        password: String,
        prepared: Option<&Prepared>,
    ) -> Result<()> {
        let Self {
            container,
            wanted,
            idle,
            image,
            original,
        } = self;
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
        command.extend(prepared.map(Prepared::unpack).unwrap_or_default());
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
        let binds = prepared.map(|prepared| vec![prepared.bind()]);
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
            .with_host_config_modifier(move |host| {
                adjust(host, &address, port, &volumes);
                host.binds.clone_from(&binds);
            });
        for (name, value) in &wanted.env {
            request = request.with_env_var(name, value);
        }
        match request.start().await {
            Ok(started) => {
                // Dropping it would remove the container.
                std::mem::forget(started);
                Ok(())
            }
            Err(error) => {
                if is_conflict(&error) {
                    return Ok(());
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

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
