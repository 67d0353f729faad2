//! Which provider a service gets, and why.

use testcontainers::bollard::Docker;

use super::local::{self, Programs};
use super::{Service, docker};
use crate::{Error, Result, config};

/// A provider that can be had, with what it needs.
pub(super) enum Choice {
    External { url: String, variable: &'static str },
    Docker { engine: Docker, forced: bool },
    Local { programs: Programs, forced: bool },
}

impl Choice {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::External { .. } => "external",
            Self::Docker { .. } => "docker",
            Self::Local { .. } => "local",
        }
    }

    pub(super) fn reason(&self) -> String {
        match self {
            Self::External { variable, .. } => format!("{variable} is set"),
            Self::Docker { forced: true, .. } | Self::Local { forced: true, .. } => {
                format!("CONTAINER_TEST_PROVIDER is `{}`", self.name())
            }
            Self::Docker { .. } => "a Docker engine answers".to_owned(),
            Self::Local { programs, .. } => format!(
                "no Docker engine answers, and there are programs in {}",
                programs.directory().display()
            ),
        }
    }
}

fn url_variable(service: Service) -> &'static str {
    match service {
        Service::Postgres => "CONTAINER_TEST_POSTGRES_URL",
        Service::Redis => "CONTAINER_TEST_REDIS_URL",
    }
}

/// Whether the choice may fall on a Docker engine.
pub(super) fn may_be_docker(service: Service) -> bool {
    match config::provider().as_deref() {
        Some(forced) => forced == "docker",
        None => config::server_url(url_variable(service)).is_none(),
    }
}

/// A URL that is given comes first, then an engine that answers, then programs on the machine.
pub(super) async fn choose(service: Service) -> Result<Choice> {
    let name = service.name();
    let variable = url_variable(service);
    let url = config::server_url(variable);
    match config::provider().as_deref() {
        Some("docker") => docker::engine()
            .await
            .map(|engine| Choice::Docker {
                engine,
                forced: true,
            })
            .map_err(|error| {
                error.with_help(
                    "start Docker (or Podman's Docker-compatible service), set DOCKER_HOST to an \
                     engine that runs, or unset CONTAINER_TEST_PROVIDER",
                )
            }),
        Some("local") => local::find(service).map(|programs| Choice::Local {
            programs,
            forced: true,
        }),
        Some("external") => match url {
            Some(url) => Ok(Choice::External { url, variable }),
            None => Err(Error::new(format!("find a server for {name}"))
                .because(format!(
                    "CONTAINER_TEST_PROVIDER is `external`, but {variable} is not set"
                ))
                .with_help(format!("set {variable}, or unset CONTAINER_TEST_PROVIDER"))),
        },
        Some(other) => Err(Error::new("read CONTAINER_TEST_PROVIDER")
            .because(format!("`{other}` is not a provider"))
            .with_help("write `docker`, `local` or `external`, or unset it")),
        None => match url {
            Some(url) => Ok(Choice::External { url, variable }),
            None => first_that_is_there(service, variable).await,
        },
    }
}

async fn first_that_is_there(service: Service, variable: &str) -> Result<Choice> {
    let no_engine = match docker::engine().await {
        Ok(engine) => {
            return Ok(Choice::Docker {
                engine,
                forced: false,
            });
        }
        Err(error) => error,
    };
    let no_programs = match local::find(service) {
        Ok(programs) => {
            return Ok(Choice::Local {
                programs,
                forced: false,
            });
        }
        Err(error) => error,
    };
    let name = service.name();
    let package = match service {
        Service::Postgres => {
            "PostgreSQL's server programs (`apt install postgresql`, `brew install postgresql`)"
        }
        Service::Redis => {
            "redis-server or valkey-server (`apt install redis-server`, `brew install redis`)"
        }
    };
    Err(Error::new(format!("find a server for {name}"))
        .because("none of the three ways leads to one")
        .note(format!("external: {variable} is not set"))
        .note(format!("docker: {}", no_engine.report()))
        .note(format!("local: {}", no_programs.report()))
        .with_help(format!(
            "do one of these: start Docker, or set DOCKER_HOST to an engine that runs; install {package}; \
             set {variable} to the URL of a server for tests"
        )))
}
