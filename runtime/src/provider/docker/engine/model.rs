//! What is said to an engine and what it answers, whatever the way to it.

use std::collections::BTreeMap;
use std::fmt;

use crate::service::BoxError;

/// A container, as the engine describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) labels: BTreeMap<String, String>,
    /// Published ports by ports of the container, such as `5432/tcp`.
    pub(crate) ports: BTreeMap<String, u16>,
    /// Its address on the network that containers are in by default.
    pub(crate) address: Option<String>,
}

/// The state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Running,
    Paused,
    /// Its program has ended.
    Exited,
    /// Any other, as the engine names it.
    Other(String),
    #[default]
    Unknown,
}

impl State {
    /// Returns the state of this name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "created" | "initialized" | "configured" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "exited" | "dead" | "stopped" => Self::Exited,
            "" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
            Self::Other(name) => name,
            Self::Unknown => "unknown",
        })
    }
}

/// An image, as the engine describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    /// Variables, as `NAME=value`.
    pub(crate) env: Vec<String>,
    /// Paths of its volumes.
    pub(crate) volumes: Vec<String>,
    /// Ports that it exposes, such as `5432/tcp`.
    pub(crate) ports: Vec<String>,
    pub(crate) stop_signal: Option<String>,
}

/// An engine as it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Such as `Docker Engine`.
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Version {
    /// Returns the version of an engine whose first component has this name.
    pub(super) fn of(component: &str, version: &str) -> Self {
        let name = match component {
            // As Docker calls it.
            "" | "Engine" => "Docker Engine",
            other => other,
        };
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }
}

/// A container in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) labels: BTreeMap<String, String>,
    /// When it was created, in seconds since 1970.
    pub(crate) created: u64,
}

/// A container that is to be created and started. The engine removes it, with its anonymous volumes,
/// when it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewContainer {
    pub(crate) name: String,
    /// Name and tag of the image, or its id.
    pub(crate) image: String,
    /// Instead of the image's entrypoint: one word.
    pub(crate) entrypoint: String,
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) publish: Option<Publish>,
    /// In bytes; the engine's default otherwise.
    pub(crate) shared_memory: Option<u64>,
    /// Paths of file systems in memory.
    pub(crate) tmpfs: Vec<String>,
    /// Files and directories of the engine's machine, as `SOURCE:TARGET[:ro]`.
    pub(crate) binds: Vec<String>,
    /// The engine's default network otherwise.
    pub(crate) network: Option<String>,
    /// The platform, such as `linux/amd64`; the engine's own otherwise.
    pub(crate) platform: Option<String>,
}

/// A port that is published at a free port of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// TCP port of the container.
    pub(crate) port: u16,
    /// Address of the engine's machine; an IPv6 address has no brackets.
    pub(crate) address: String,
}

/// Why a container was not created and started.
#[derive(Debug)]
pub(crate) enum RunError {
    /// Another container has the name.
    NameTaken(BoxError),
    /// Anything else. The container may have been created all the same.
    Failed(BoxError),
}
