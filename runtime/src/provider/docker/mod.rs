//! Servers in containers, through testcontainers: the only folder that names it.
//!
//! A container's name is derived from its spec, so that threads, binaries and processes find each
//! other's servers. The container ends by itself (see `lifecycle/watchdog.sh`) and is removed by
//! the engine then. The removal on drop of testcontainers is not used, since it needs a process
//! that lives until then.

mod cached;
mod command;
mod containers;
mod create;
mod engine;
mod found;
mod image;
mod labels;
mod memory;
mod prepared;
mod provide;
mod reach;
mod sweep;
mod wait;

pub(super) use self::cached::join_cached;
pub use self::containers::{ContainerImage, ExecOutput};
pub(crate) use self::containers::{Containers, ImageRequest, Own, Running};
pub(super) use self::engine::Engine;
pub(super) use self::provide::provide;
