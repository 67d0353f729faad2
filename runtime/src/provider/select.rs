//! Which provider a service gets, and why.

use tokio::sync::OnceCell;

#[cfg(feature = "testcontainers")]
use super::docker::Library;
use super::docker::{Engine, Way, connect};
use super::local::{self, Programs};
use crate::config::{Config, url_variable};
use crate::service::ServerSpec;
use crate::{Error, Result};

/// A provider that can be used, with what it needs.
#[derive(Debug)]
pub(super) enum Choice {
    External { url: String, variable: String },
    Docker { engine: Engine, forced: bool },
    Local { programs: Programs, forced: bool },
}

impl Choice {
    /// Returns the name that `CONTAINER_TEST_PROVIDER` has for the provider.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::External { .. } => "external",
            Self::Docker { .. } => "docker",
            Self::Local { .. } => "local",
        }
    }

    /// Returns why it was chosen.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::External { variable, .. } => format!("{variable} is set"),
            Self::Docker {
                engine,
                forced: true,
            } => format!(
                "CONTAINER_TEST_PROVIDER is `docker`, and an engine answers {}",
                engine.way().description()
            ),
            Self::Docker { engine, .. } => {
                format!("an engine answers {}", engine.way().description())
            }
            Self::Local { forced: true, .. } => "CONTAINER_TEST_PROVIDER is `local`".to_owned(),
            Self::Local { programs, .. } => format!(
                "no engine answers, and there are programs in {}",
                programs.directory().display()
            ),
        }
    }
}

/// Returns whether the service may run in a container.
pub(super) fn may_be_docker(config: &Config, service: &str) -> bool {
    match config.provider() {
        Some(forced) => forced == "docker",
        None => config.variable(&url_variable(service)).is_none(),
    }
}

/// Returns the error about a provider that there is not.
pub(super) fn no_provider(other: &str) -> Error {
    Error::new("read CONTAINER_TEST_PROVIDER")
        .because(format!("`{other}` is not a provider"))
        .with_help("write `docker`, `local` or `external`, or unset it")
}

/// Returns the provider of a server: a given URL comes first, then an engine that answers, then
/// programs on the machine.
pub(super) async fn choose(
    config: &Config,
    engine: &OnceCell<Engine>,
    spec: &ServerSpec,
) -> Result<Choice> {
    let variable = url_variable(spec.service);
    let url = config.variable(&variable).map(str::to_owned);
    match config.provider() {
        Some("docker") => match engine.get_or_try_init(|| connect(config)).await {
            Ok(engine) => Ok(Choice::Docker {
                engine: engine.clone(),
                forced: true,
            }),
            Err(error) if error.help().is_some() => Err(error),
            Err(error) => Err(error.with_help(
                "start Docker (or Podman's Docker-compatible service), set DOCKER_HOST to an \
                 engine that runs, or unset CONTAINER_TEST_PROVIDER",
            )),
        },
        Some("local") => local::find(config, spec).map(|programs| Choice::Local {
            programs,
            forced: true,
        }),
        Some("external") => match url {
            Some(url) => Ok(Choice::External { url, variable }),
            None => Err(Error::new(format!("find a server for {}", spec.service))
                .because(format!(
                    "CONTAINER_TEST_PROVIDER is `external`, but {variable} is not set"
                ))
                .with_help(format!("set {variable}, or unset CONTAINER_TEST_PROVIDER"))),
        },
        Some(other) => Err(no_provider(other)),
        None => match url {
            Some(url) => Ok(Choice::External { url, variable }),
            None => first_usable(config, engine, spec, &variable).await,
        },
    }
}

/// Returns the engine, for what runs in containers only.
#[cfg(feature = "testcontainers")]
pub(super) async fn engine(config: &Config) -> Result<Library> {
    const NEEDS: &str = "`container(…)` needs a Docker engine";
    match config.provider() {
        None | Some("docker") => Library::connect(config).await.map_err(|error| {
            Error::new("start a container")
                .because(NEEDS)
                .note(error.report())
                .with_help(
                    "start Docker (or Podman's Docker-compatible service), or set DOCKER_HOST to an \
                     engine that runs",
                )
        }),
        Some(other) => Err(Error::new("start a container")
            .because(format!("{NEEDS}, and CONTAINER_TEST_PROVIDER is `{other}`"))
            .with_help("unset CONTAINER_TEST_PROVIDER, or leave these tests out")),
    }
}

async fn first_usable(
    config: &Config,
    engine: &OnceCell<Engine>,
    spec: &ServerSpec,
    variable: &str,
) -> Result<Choice> {
    // A mistake in the variable must not lead to another provider.
    Way::forced(config)?;
    let no_engine = match engine.get_or_try_init(|| connect(config)).await {
        Ok(engine) => {
            return Ok(Choice::Docker {
                engine: engine.clone(),
                forced: false,
            });
        }
        Err(error) => error,
    };
    let no_programs = match local::find(config, spec) {
        Ok(programs) => {
            return Ok(Choice::Local {
                programs,
                forced: false,
            });
        }
        Err(error) => error,
    };
    let install = spec.local.as_ref().map_or_else(String::new, |local| {
        format!("install {} ({}); ", local.names.join(" or "), local.install)
    });
    Err(Error::new(format!("find a server for {}", spec.service))
        .because("no provider can be used")
        .note(format!("external: {variable} is not set"))
        .note(format!("docker: {}", no_engine.report()))
        .note(format!("local: {}", no_programs.report()))
        .with_help(format!(
            "do one of these: start Docker, or set DOCKER_HOST to an engine that runs; {install}\
             set {variable} to the URL of a server for tests"
        )))
}
