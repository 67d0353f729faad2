//! Syntax to meaning: every mistake is found here, and what is left is typed.

mod cases;
mod condition;
mod fixtures;
mod function;
mod kinds;
mod migrations;
mod options;
mod seed_files;
mod seeds;
mod serial;
mod service;
mod services;
mod setting;
mod value;
mod versions;

use std::time::Duration;

use syn::Path;

pub(crate) use self::cases::Case;
pub(crate) use self::condition::Condition;
pub(crate) use self::function::{Gate, Output, Wrapper, is_test};
pub(crate) use self::kinds::Kind;
pub(crate) use self::migrations::Migrations;
pub(crate) use self::seeds::Seed;
pub(crate) use self::serial::has_rewritten;
pub(crate) use self::service::Service;
pub(crate) use self::setting::{Isolation, Setting};
pub(crate) use self::value::{enumeration, from_attributes, nearest};
pub(crate) use self::versions::Version;
use crate::parse::{Entry, Errors, Function};
use crate::site::Site;

/// What the attribute declares, found correct.
#[derive(Default)]
pub(crate) struct Declaration {
    /// The path of the runtime, if it is not `::container_test`.
    pub(crate) crate_path: Option<Path>,
    /// The services, each with a name of its own.
    pub(crate) services: Vec<Service>,
    /// The seeds outside of the services, in order.
    pub(crate) seeds: Vec<Seed>,
    /// Longest time that the body may take.
    pub(crate) timeout: Option<Duration>,
    /// The tokio runtime, if the attribute has one.
    pub(crate) flavor: Option<Flavor>,
    /// What the function itself asks for.
    pub(crate) wrapper: Wrapper,
}

/// The tokio runtime that a test's body runs on.
pub(crate) enum Flavor {
    /// One thread.
    CurrentThread,
    /// Several threads: this number, or one per core.
    MultiThread(Option<usize>),
}

/// Returns what a test declares; mistakes go to `errors`.
pub(crate) fn check(
    entries: &[Entry],
    function: &Function,
    site: &Site,
    errors: &mut Errors,
) -> Declaration {
    let mut services = services::check(entries, site, errors);
    let mut declaration = options::check(entries, &mut services, site, errors);
    declaration.wrapper = function::check(function, &services, site, errors);
    services
        .all
        .iter_mut()
        .for_each(|service| migrations::expect(service, site));
    declaration.services = services.all;
    declaration
}
