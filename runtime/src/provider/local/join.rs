//! Joins a local server that runs already.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use super::directory;
use super::log::LocalLog;
use super::programs::Programs;
use crate::Result;
use crate::lifecycle::{Owner, private};
use crate::provider::request::Request;
use crate::service::{Address, Endpoint, OpenError};

/// The file in a server's directory that says how to join it.
const FILE: &str = "endpoint";

/// Connects to the server of this name, if it runs already. Any error means that it does not.
pub(super) async fn join<T, C, F>(
    request: &Request,
    name: &str,
    programs: &Programs,
    owner: &Owner,
    open: &C,
) -> Option<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    for directory in directory::find(&request.config, name, owner) {
        // A server that is about to start has no such file; one that ends does not answer.
        if let Some(endpoint) = read(&directory, programs)
            && let Ok(opened) = open(endpoint.clone()).await
        {
            return Some((endpoint, opened));
        }
    }
    None
}

/// Lets other processes join the server.
pub(super) fn announce(directory: &Path, owner: &Owner, port: u16, password: &str) -> Result<()> {
    private::write(
        &directory.join(FILE),
        &format!("{port} {password}\n"),
        owner,
    )
}

fn read(directory: &Path, programs: &Programs) -> Option<Endpoint> {
    let text = fs::read_to_string(directory.join(FILE)).ok()?;
    let mut words = text.split_whitespace();
    let (port, password) = (words.next()?.parse().ok()?, words.next()?);
    Some(endpoint(directory, programs, port, password))
}

/// Returns how a local server is reached.
pub(super) fn endpoint(
    directory: &Path,
    programs: &Programs,
    port: u16,
    password: &str,
) -> Endpoint {
    Endpoint {
        address: Address::Started {
            host: "127.0.0.1".to_owned(),
            port,
            password: password.to_owned(),
            remote: false,
        },
        description: format!(
            "local server {} on port {port}, data in {}",
            programs.server().display(),
            directory.display()
        ),
        outlives_tests: false,
        log: Arc::new(LocalLog::in_directory(directory)),
    }
}
