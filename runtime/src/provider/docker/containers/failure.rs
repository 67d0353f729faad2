//! Why a container could not be started, for people.

use testcontainers::TestcontainersError;
use testcontainers::core::error::WaitContainerError;

use super::settings::Settings;
use crate::Error;
use crate::provider::docker::engine::chain;
use crate::provider::docker::wait::log_note;

/// Why a container could not be started.
#[derive(Debug)]
pub(super) enum Cause {
    /// The engine, or a condition of readiness.
    Start(TestcontainersError),
    /// Its program has ended: with what words.
    Ended(String),
}

impl Cause {
    /// Returns whether the image has no shell, which the watchdog needs.
    pub(super) fn is_missing_shell(&self) -> bool {
        let Self::Start(error) = self else {
            return false;
        };
        let text = chain(error);
        text.contains("exec: \"sh\"") || text.contains("executable file `sh`")
    }

    /// Returns the error for people, with the end of the container's log.
    pub(super) fn report(&self, image: &str, settings: &Settings, log: &str) -> Error {
        let error = Error::new(format!("start a container of {image}"));
        match self {
            Self::Ended(words) => error.because(words.clone()).note(log_note(log)).with_help(
                "the container's own words above say why; check its command and environment",
            ),
            Self::Start(TestcontainersError::WaitContainer(WaitContainerError::StartupTimeout)) => {
                let limit = settings.startup_timeout;
                error
                    .because(format!("it was not ready within {limit:?}"))
                    .note(log_note(log))
                    .with_help(
                        "see in its log what it waits for, and whether the image's conditions of \
                         readiness fit; `startup_timeout = \"…\"` gives it more time",
                    )
            }
            Self::Start(cause @ TestcontainersError::WaitContainer(_)) => {
                error.because(chain(cause)).note(log_note(log)).with_help(
                    "its log says how far it came; check the image's conditions of readiness",
                )
            }
            Self::Start(cause) => error.because(chain(cause)).note(log_note(log)).with_help(
                "the engine's own words above say why; `docker run` with the same image shows more",
            ),
        }
    }
}
