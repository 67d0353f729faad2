//! An engine, whatever the way to it.

use std::time::Duration;

#[cfg(feature = "testcontainers")]
use super::library::Library;
use super::model::{Container, Image, Listed, NewContainer, RunError, Version};
use super::program::Program;
use super::way::Way;
use crate::Result;

/// An engine that has answered.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    /// Through testcontainers.
    #[cfg(feature = "testcontainers")]
    Library(Library),
    /// Through a program.
    Program(Program),
}

impl Engine {
    /// Returns an engine that never answers.
    #[cfg(test)]
    pub(crate) fn unreachable() -> Self {
        Self::Program(Program::unreachable())
    }

    /// Returns an engine that has nothing, and the directory of its program.
    #[cfg(test)]
    pub(crate) async fn without_containers() -> (tempfile::TempDir, Self) {
        let says = "echo 'Error: no such object' >&2; exit 1";
        let (directory, config) = super::program::fake::machine(&["docker"], says, &[]);
        let program = Program::connect(&config, Way::Docker).await;
        (directory, Self::Program(program.expect("an engine")))
    }

    /// Returns the way to it.
    pub(crate) fn way(&self) -> Way {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(_) => Way::Library,
            Self::Program(program) => program.way(),
        }
    }

    /// Returns its name and version; nothing if it does not say them.
    pub(crate) async fn version(&self) -> Option<Version> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.version().await,
            Self::Program(program) => program.version().await,
        }
    }

    /// Returns how long to wait before a container is inspected again: a run of a program costs all
    /// processes of the machine some milliseconds.
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(_) => 5,
            Self::Program(_) => 30,
        })
    }

    /// Returns how long to wait before the log and the state of a container are looked at again while
    /// its server starts.
    pub(crate) fn look(&self) -> Duration {
        Duration::from_millis(match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(_) => 400,
            Self::Program(_) => 1_200,
        })
    }

    /// Returns what the engine knows of a container, if it has one of this name or id.
    pub(crate) async fn inspect(&self, container: &str) -> Result<Option<Container>> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.inspect(container).await,
            Self::Program(program) => program.inspect(container).await,
        }
    }

    /// Returns what the engine knows of an image, if it has it.
    pub(crate) async fn inspect_image(&self, image: &str) -> Result<Option<Image>> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.inspect_image(image).await,
            Self::Program(program) => program.inspect_image(image).await,
        }
    }

    /// Pulls an image, for a platform if one is given.
    pub(crate) async fn pull(&self, image: &str, platform: Option<&str>) -> Result<()> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.pull(image, platform).await,
            Self::Program(program) => program.pull(image, platform).await,
        }
    }

    /// Creates and starts a container.
    ///
    /// # Errors
    ///
    /// After [`RunError::Failed`] the container may be there, started or not.
    pub(crate) async fn run(&self, container: &NewContainer) -> Result<(), RunError> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.run(container).await,
            Self::Program(program) => program.run(container).await,
        }
    }

    /// Starts a container that was created. It is no error to start it twice.
    pub(crate) async fn start(&self, container: &str) -> Result<()> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.start(container).await,
            Self::Program(program) => program.start(container).await,
        }
    }

    /// Removes a container and its anonymous volumes by its id: its name may be that of a successor
    /// by now. Another process, or the engine itself, may have removed it.
    pub(crate) async fn remove(&self, id: &str) {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.remove(id).await,
            Self::Program(program) => program.remove(id).await,
        }
    }

    /// Returns the last lines of a container's log; nothing if it cannot be read.
    pub(crate) async fn log_tail(&self, container: &str, lines: usize) -> String {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.log_tail(container, lines).await,
            Self::Program(program) => program.log_tail(container, lines).await,
        }
    }

    /// Returns the containers with a label, whatever their state; none if the engine does not list
    /// them.
    pub(crate) async fn list(&self, label: &str) -> Vec<Listed> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.list(label).await,
            Self::Program(program) => program.list(label).await,
        }
    }

    /// Returns the gateway of the network that containers are in by default, if the engine says it.
    #[cfg_attr(
        not(feature = "testcontainers"),
        allow(clippy::unused_async, reason = "a program has said it already")
    )]
    pub(crate) async fn gateway(&self) -> Option<String> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.gateway().await,
            Self::Program(program) => program.gateway().map(str::to_owned),
        }
    }

    /// Returns the host of the engine, if its address names one.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "testcontainers")]
            Self::Library(library) => library.host(),
            Self::Program(program) => program.host(),
        }
    }
}
