//! Creates and starts containers that end by themselves.

use futures_util::future::join;

use super::engine::{Container, Engine, NewContainer, Publish, RunError, State, Way};
use super::image::{self, Reference};
use super::prepared::{Preparation, Prepared};
use super::reach::Reach;
use super::sweep::sweep;
use super::{command, labels};
use crate::provider::request::Request;
use crate::service::BoxError;
use crate::{Error, Result, hash};

/// Shared memory of a container, in bytes.
const SHARED_MEMORY: u64 = 1 << 30;

/// How a container came to be.
pub(super) enum Created {
    /// This process has created it. Data may be prepared for the next one.
    Here(Option<Preparation>),
    /// Another process has created it.
    Elsewhere,
}

/// Creates and starts the container, unless another process is faster. Meanwhile, what other processes
/// have left is removed: nothing of it is used by this container.
pub(super) async fn create(engine: &Engine, request: &Request, reach: &Reach) -> Result<Created> {
    let ((), created) = join(sweep(engine), create_now(engine, request, reach)).await;
    created
}

async fn create_now(engine: &Engine, request: &Request, reach: &Reach) -> Result<Created> {
    let spec = &request.spec;
    let reference = Reference::new(&spec.image, &request.config);
    let platform = request.config.platform();
    let image = image::inspect(engine, &reference, platform, &request.config).await?;
    let prepared = Prepared::new(request, reach, &image);
    let password = match &prepared {
        Some(prepared) => prepared.password.clone(),
        None => hash::random()?,
    };
    let existing = prepared.as_ref().filter(|prepared| prepared.exists());
    let placeholders = command::placeholders(spec, &password);
    let mut run = command::watchdog(request);
    run.extend(existing.map(Prepared::unpack).unwrap_or_default());
    run.extend(command::program(spec, &image, &placeholders)?);

    let creation = hash::random()?;
    let labels = [
        (labels::SERVICE, spec.service),
        (labels::USER, &request.user),
        (labels::PASSWORD, &password),
        (labels::CREATION, &creation),
    ];
    let container = NewContainer {
        name: request.name.clone(),
        image: reference.descriptor(),
        entrypoint: "sh".to_owned(),
        command: run,
        environment: command::environment(spec, &placeholders, reach.remote),
        labels: labels
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .to_vec(),
        publish: Some(Publish {
            port: spec.port,
            address: reach.publish_on.clone(),
        }),
        shared_memory: Some(SHARED_MEMORY),
        tmpfs: image.volumes.clone(),
        binds: existing.iter().map(|prepared| prepared.bind()).collect(),
        network: None,
        platform: platform.map(str::to_owned),
    };
    match engine.run(&container).await {
        Ok(()) => {
            let missing = prepared.filter(|prepared| !prepared.exists());
            let preparation =
                missing.and_then(|prepared| prepared.preparation(engine, request, &image));
            Ok(Created::Here(preparation))
        }
        Err(error) => after_error(engine, request, &creation, error).await,
    }
}

async fn after_error(
    engine: &Engine,
    request: &Request,
    creation: &str,
    error: RunError,
) -> Result<Created> {
    let found = engine.inspect(&request.name).await.ok().flatten();
    let name_is_taken = matches!(error, RunError::NameTaken(_));
    match Outcome::of(name_is_taken, found.as_ref(), creation) {
        Outcome::CreatedElsewhere => return Ok(Created::Elsewhere),
        Outcome::Running => return Ok(Created::Here(None)),
        Outcome::NotStarted(id) => engine.remove(&id).await,
        Outcome::Nothing => {}
    }
    let (RunError::NameTaken(cause) | RunError::Failed(cause)) = error;
    Err(not_started(engine.way(), &request.name, cause))
}

fn not_started(way: Way, name: &str, cause: BoxError) -> Error {
    let text = cause.to_string();
    let help = if ["\"sh\"", "`sh`"].iter().any(|sh| text.contains(sh)) {
        "the image has no shell at `sh`, which the watchdog needs; use an image that has one".into()
    } else {
        let program = way.program();
        format!(
            "the engine's own words above say why; `{program} run` with the same image shows more"
        )
    };
    Error::new(format!("start the container {name}"))
        .because(cause)
        .with_help(help)
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
    fn of(name_is_taken: bool, found: Option<&Container>, creation: &str) -> Self {
        let Some(found) = found else {
            // Its container may have ended meanwhile.
            return if name_is_taken {
                Self::CreatedElsewhere
            } else {
                Self::Nothing
            };
        };
        let label = found.labels.get(labels::CREATION);
        if label.is_none_or(|label| label != creation) {
            return Self::CreatedElsewhere;
        }
        match found.state {
            State::Running => Self::Running,
            State::Created => Self::NotStarted(found.id.clone()),
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(creation: &str, state: State) -> Container {
        Container {
            id: "id".to_owned(),
            state,
            labels: [(labels::CREATION.to_owned(), creation.to_owned())].into(),
            ..Container::default()
        }
    }

    #[test]
    fn a_container_of_another_process_is_never_removed_whatever_the_engine_answers() {
        for name_is_taken in [true, false] {
            for state in [State::Created, State::Running, State::Exited] {
                let theirs = found("theirs", state);
                let outcome = Outcome::of(name_is_taken, Some(&theirs), "ours");
                assert_eq!(outcome, Outcome::CreatedElsewhere, "{theirs:?}");
            }
        }
        let unlabelled = Container::default();
        let outcome = Outcome::of(false, Some(&unlabelled), "ours");
        assert_eq!(outcome, Outcome::CreatedElsewhere);
        assert_eq!(Outcome::of(true, None, "ours"), Outcome::CreatedElsewhere);
    }

    #[test]
    fn a_container_of_this_process_that_does_not_start_is_removed() {
        let of = |state| Outcome::of(false, Some(&found("ours", state)), "ours");
        assert_eq!(of(State::Created), Outcome::NotStarted("id".to_owned()));
        assert_eq!(of(State::Running), Outcome::Running);
        assert_eq!(of(State::Exited), Outcome::Nothing);
        assert_eq!(Outcome::of(false, None, "ours"), Outcome::Nothing);
    }

    #[test]
    fn an_image_without_a_shell_is_told_so() {
        for cause in [
            "exec: \"sh\": executable file not found in $PATH",
            "crun: executable file `sh` not found in $PATH",
        ] {
            let report = not_started(Way::Docker, "name", cause.into()).report();
            assert!(report.contains("has no shell"), "{report}");
        }
    }
}
