//! Creates and starts containers that end by themselves.

use std::collections::HashMap;

use testcontainers::bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HostConfig, PortBinding,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::core::error::ClientError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt, TestcontainersError};

use super::engine::{Engine, chain, status};
use super::image::{self, Reference};
use super::memory::in_memory;
use super::prepared::{Preparation, Prepared};
use super::reach::Reach;
use super::sweep::sweep;
use super::{command, labels};
use crate::provider::request::Request;
use crate::{Error, Result, hash};

/// Shared memory of a container, in bytes.
const SHARED_MEMORY: i64 = 1 << 30;

/// How a container came to be.
pub(super) enum Created {
    /// This process has created it. Data may be prepared for the next one.
    Here(Option<Preparation>),
    /// Another process has created it.
    Elsewhere,
}

/// Creates and starts the container, unless another process is faster.
pub(super) async fn create(engine: &Engine, request: &Request, reach: &Reach) -> Result<Created> {
    sweep(engine).await;
    let spec = &request.spec;
    let reference = Reference::new(&spec.image, &request.config);
    let image = image::inspect(engine, &reference, None).await?;
    let prepared = Prepared::new(request, reach, &image);
    let password = match &prepared {
        Some(prepared) => prepared.password.clone(),
        None => hash::random()?,
    };
    let existing = prepared.as_ref().filter(|prepared| prepared.exists());
    let config = image.config.clone().unwrap_or_default();
    let placeholders = command::placeholders(spec, &password);
    let mut run = command::watchdog(request);
    run.extend(existing.map(Prepared::unpack).unwrap_or_default());
    run.extend(command::program(spec, &config, &placeholders)?);

    let creation = hash::random()?;
    let (port, address, remote) = (spec.port, reach.publish_on.clone(), reach.remote);
    let volumes = config.volumes.unwrap_or_default();
    let binds = existing.map(|prepared| vec![prepared.bind()]);
    let mut container = GenericImage::new(&reference.name, &reference.tag)
        .with_entrypoint("sh")
        .with_exposed_port(port.tcp())
        .with_container_name(&request.name)
        .with_startup_timeout(spec.startup_timeout)
        .with_label(labels::SERVICE, spec.service)
        .with_label(labels::USER, &request.user)
        .with_label(labels::PASSWORD, &password)
        .with_label(labels::CREATION, &creation)
        .with_cmd(run)
        .with_host_config_modifier(move |host| {
            adjust(host, &address, port, &volumes);
            host.binds.clone_from(&binds);
        });
    for (name, value) in command::environment(spec, &placeholders, remote) {
        container = container.with_env_var(name, value);
    }
    match container.start().await {
        Ok(started) => {
            // Dropping it would remove the container.
            std::mem::forget(started);
            let missing = prepared.filter(|prepared| !prepared.exists());
            let preparation =
                missing.and_then(|prepared| prepared.preparation(engine, request, image));
            Ok(Created::Here(preparation))
        }
        Err(error) => after_error(engine, request, &creation, &error).await,
    }
}

/// Publishes the port where only this process reaches it, keeps the data in memory, and has the
/// engine remove the container when it ends.
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
    host.shm_size = Some(SHARED_MEMORY);
    host.tmpfs = Some(in_memory(volumes));
}

async fn after_error(
    engine: &Engine,
    request: &Request,
    creation: &str,
    error: &TestcontainersError,
) -> Result<Created> {
    let found = engine.inspect(&request.name).await.ok().flatten();
    match Outcome::of(name_is_taken(error), found.as_ref(), creation) {
        Outcome::CreatedElsewhere => return Ok(Created::Elsewhere),
        Outcome::Running => return Ok(Created::Here(None)),
        Outcome::NotStarted(id) => engine.remove(&id).await,
        Outcome::Nothing => {}
    }
    let text = chain(error);
    let help = if text.contains("\"sh\"") {
        "the image has no shell at `sh`, which the watchdog needs; use an image that has one"
    } else {
        "the engine's own words above say why; `docker run` with the same image shows more"
    };
    Err(Error::new(format!("start the container {}", request.name))
        .because(text)
        .with_help(help))
}

/// What a failed call to create and start a container has left.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The name belongs to a container that another process has created.
    CreatedElsewhere,
    /// This process's container, by its id: it was created, but does not start.
    NotStarted(String),
    /// This process's container, which runs all the same.
    Running,
    Nothing,
}

impl Outcome {
    /// Returns what is left, from the container that the engine has under the name now. Engines
    /// answer a duplicate name with different statuses, so only a container with the label of this
    /// process's own call counts as created by it.
    fn of(name_is_taken: bool, found: Option<&ContainerInspectResponse>, creation: &str) -> Self {
        let Some(found) = found else {
            // Its container may have ended meanwhile.
            return if name_is_taken {
                Self::CreatedElsewhere
            } else {
                Self::Nothing
            };
        };
        let labels = found.config.as_ref().and_then(|it| it.labels.as_ref());
        let label = labels.and_then(|labels| labels.get(labels::CREATION));
        if label.is_none_or(|label| label != creation) {
            return Self::CreatedElsewhere;
        }
        let state = found.state.as_ref().and_then(|state| state.status);
        match (state, &found.id) {
            (Some(ContainerStateStatusEnum::RUNNING), _) => Self::Running,
            (Some(ContainerStateStatusEnum::CREATED), Some(id)) => Self::NotStarted(id.clone()),
            _ => Self::Nothing,
        }
    }
}

/// Returns whether the engine says that another container has the name.
fn name_is_taken(error: &TestcontainersError) -> bool {
    matches!(
        error,
        TestcontainersError::Client(ClientError::CreateContainer(error))
            if status(error) == Some(409)
    )
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::errors::Error as EngineError;
    use testcontainers::bollard::models::{ContainerConfig, ContainerState};

    use super::*;

    fn found(creation: &str, status: ContainerStateStatusEnum) -> ContainerInspectResponse {
        ContainerInspectResponse {
            id: Some("id".to_owned()),
            state: Some(ContainerState {
                status: Some(status),
                ..ContainerState::default()
            }),
            config: Some(ContainerConfig {
                labels: Some(HashMap::from([(
                    labels::CREATION.to_owned(),
                    creation.to_owned(),
                )])),
                ..ContainerConfig::default()
            }),
            ..ContainerInspectResponse::default()
        }
    }

    fn refusal(status_code: u16) -> TestcontainersError {
        TestcontainersError::Client(ClientError::CreateContainer(
            EngineError::DockerResponseServerError {
                status_code,
                message: "the name is already in use".to_owned(),
            },
        ))
    }

    #[test]
    fn a_container_of_another_process_is_never_removed_whatever_the_engine_answers() {
        use ContainerStateStatusEnum::{CREATED, EXITED, RUNNING};
        for status_code in [409, 500] {
            let taken = name_is_taken(&refusal(status_code));
            assert_eq!(taken, status_code == 409);
            for state in [CREATED, RUNNING, EXITED] {
                let outcome = Outcome::of(taken, Some(&found("theirs", state)), "ours");
                assert_eq!(outcome, Outcome::CreatedElsewhere, "{status_code} {state}");
            }
        }
        let unlabelled = ContainerInspectResponse::default();
        let outcome = Outcome::of(false, Some(&unlabelled), "ours");
        assert_eq!(outcome, Outcome::CreatedElsewhere);
        assert_eq!(Outcome::of(true, None, "ours"), Outcome::CreatedElsewhere);
    }

    #[test]
    fn a_container_of_this_process_that_does_not_start_is_removed() {
        use ContainerStateStatusEnum::{CREATED, DEAD, RUNNING};
        let of = |state| Outcome::of(false, Some(&found("ours", state)), "ours");
        assert_eq!(of(CREATED), Outcome::NotStarted("id".to_owned()));
        assert_eq!(of(RUNNING), Outcome::Running);
        assert_eq!(of(DEAD), Outcome::Nothing);
        assert_eq!(Outcome::of(false, None, "ours"), Outcome::Nothing);
    }
}
