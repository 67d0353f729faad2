//! The ways to an engine.

use crate::config::Config;
use crate::{Error, Result};

/// A way to speak to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through testcontainers.
    Library,
    /// Through the program `docker`.
    Docker,
    /// Through the program `podman`.
    Podman,
    /// Through the program `nerdctl`.
    Nerdctl,
}

impl Way {
    /// All ways, the first choice first.
    pub(super) const ALL: [Self; 4] = [Self::Library, Self::Docker, Self::Podman, Self::Nerdctl];

    /// Returns the way that `CONTAINER_TEST_ENGINE` names.
    ///
    /// # Errors
    ///
    /// If it names none, or one that this crate was compiled without.
    pub(crate) fn forced(config: &Config) -> Result<Option<Self>> {
        let Some(name) = config.engine() else {
            return Ok(None);
        };
        let failed = |cause| Error::new("read CONTAINER_TEST_ENGINE").because(cause);
        match Self::ALL.into_iter().find(|way| way.name() == name) {
            Some(Self::Library) if !cfg!(feature = "testcontainers") => {
                let cause = "`library` needs the feature `testcontainers` of container-test";
                Err(failed(cause.to_owned())
                    .with_help("turn the feature on, or unset CONTAINER_TEST_ENGINE"))
            }
            Some(way) => Ok(Some(way)),
            None => Err(failed(format!("`{name}` is no way to an engine"))
                .with_help("write `library`, `docker`, `podman` or `nerdctl`, or unset it")),
        }
    }

    /// Returns the name that `CONTAINER_TEST_ENGINE` has for it; of a program, its own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Nerdctl => "nerdctl",
        }
    }

    /// Returns the program that people call by hand.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Library => Self::Docker.name(),
            program => program.name(),
        }
    }

    /// Returns it for people.
    pub(crate) fn description(self) -> String {
        match self {
            Self::Library => "through testcontainers".to_owned(),
            program => format!("through the program `{}`", program.name()),
        }
    }
}
