//! The engine that containers run on: one interface, and the ways to speak to an engine.
//!
//! Nothing outside of this folder knows which way is used, except for what starts containers of any
//! image: that needs testcontainers.

mod any;
mod identity;
mod library;
mod model;
mod network;

pub(crate) use self::any::Engine;
pub(super) use self::identity::identity;
pub(crate) use self::library::Library;
pub(super) use self::library::chain;
pub(super) use self::model::{Container, Image, NewContainer, Publish, RunError, State};
