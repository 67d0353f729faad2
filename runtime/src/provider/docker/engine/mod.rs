//! The engine that containers run on: one interface, and the ways to speak to an engine.
//!
//! Nothing outside of this folder knows which way is taken, except for what starts containers of any
//! image: that needs testcontainers.

mod any;
#[cfg(feature = "testcontainers")]
mod chain;
mod connect;
mod identity;
#[cfg(feature = "testcontainers")]
mod library;
mod model;
mod network;
mod program;
mod way;

pub(crate) use self::any::Engine;
#[cfg(feature = "testcontainers")]
pub(super) use self::chain::chain;
pub(crate) use self::connect::connect;
pub(super) use self::identity::identity;
#[cfg(feature = "testcontainers")]
pub(crate) use self::library::Library;
pub(super) use self::model::{Container, Image, Listed, NewContainer, Publish, RunError, State};
pub(crate) use self::way::Way;
