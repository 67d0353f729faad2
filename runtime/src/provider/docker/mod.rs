//! Servers in containers: the only folder that names testcontainers.
//!
//! A container's name is derived from its spec, so that threads, binaries and processes find each
//! other's servers. The container ends by itself (see `lifecycle/watchdog.sh`) and is removed by
//! the engine then.

mod cached;
mod command;
#[cfg(feature = "testcontainers")]
mod containers;
mod create;
mod engine;
mod found;
mod image;
mod labels;
mod machine;
mod prepared;
mod provide;
mod reach;
mod running;
mod sweep;
mod wait;

pub(super) use self::cached::join_cached;
#[cfg(feature = "testcontainers")]
pub use self::containers::{ContainerImage, ExecOutput};
#[cfg(feature = "testcontainers")]
pub(crate) use self::containers::{Containers, ImageRequest, Own, Running};
#[cfg(feature = "testcontainers")]
pub(super) use self::engine::Library;
pub(super) use self::engine::{Engine, Way, connect};
pub(super) use self::machine::look;
pub(super) use self::provide::provide;
pub(super) use self::running::running;
