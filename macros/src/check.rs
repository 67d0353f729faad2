//! Syntax to meaning: every mistake is found here, and what is left is typed.

mod function;
mod migrations;
mod options;
mod seeds;
mod service;
mod setting;
mod value;

use std::time::Duration;

pub(crate) use self::function::{Wrapper, is_test};
pub(crate) use self::migrations::Migrations;
pub(crate) use self::seeds::Seed;
pub(crate) use self::service::Service;
pub(crate) use self::setting::{Isolation, Setting};
use crate::parse::{Entry, Errors, Function};
use crate::site::Site;

/// What the attribute declares, found correct.
#[derive(Default)]
pub(crate) struct Declaration {
    /// The services, each once.
    pub(crate) services: Vec<Service>,
    /// Where the schema comes from; `None`: nothing said.
    pub(crate) migrations: Option<Migrations>,
    /// The seeds, in order.
    pub(crate) seeds: Vec<Seed>,
    /// Longest time that the body may take.
    pub(crate) timeout: Option<Duration>,
    /// The tokio runtime; `None`: nothing said.
    pub(crate) flavor: Option<Flavor>,
    /// What the function's own attributes ask for.
    pub(crate) wrapper: Wrapper,
}

/// The tokio runtime that a test's body runs on.
pub(crate) enum Flavor {
    /// One thread.
    CurrentThread,
    /// Several threads, as many as said.
    MultiThread(Option<usize>),
}

/// Finds out what a test declares; what is wrong about it goes to `errors`.
pub(crate) fn check(
    entries: &[Entry],
    function: &Function,
    site: &Site,
    errors: &mut Errors,
) -> Declaration {
    let mut declaration = options::check(entries, site, errors);
    declaration.wrapper = function::check(function, site, errors);
    declaration
}
