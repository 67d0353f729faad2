//! Servers whose addresses are cached: the next process connects at once, without asking the
//! engine.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::engine::identity;
use super::found::{ContainerLog, description};
use crate::hash;
use crate::lifecycle::addresses::CachedAddress;
use crate::provider::request::Request;
use crate::service::{Address, Endpoint, OpenError};

/// How long a cached address may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for a container's own address: nothing refuses connections to one that is gone.
const PATIENCE_WITH_CONTAINER: Duration = Duration::from_millis(500);

/// Connects to the server at its cached address, if there is one that answers. Any error means
/// that another server, or none, has the address by now.
pub(in crate::provider) async fn join_cached<T, C, F>(
    request: &Request,
    open: &C,
) -> Option<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    if request.spec.exclusive {
        return None;
    }
    let cache = request.cache()?;
    let key = key(request);
    let cached = CachedAddress::read(&cache, &key)?;
    // The engine's proxy listens for as long as the container runs.
    if let Some(port) = cached.published
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    {
        CachedAddress::remove(&cache, &key);
        return None;
    }
    let endpoint = Endpoint {
        address: Address::Started {
            host: cached.host,
            port: cached.port,
            password: cached.password,
            remote: cached.remote,
        },
        description: description(request),
        outlives_tests: false,
        log: Arc::new(ContainerLog {
            engine: None,
            config: Arc::clone(&request.config),
            container: request.name.clone(),
        }),
    };
    let patience = match cached.published {
        Some(_) => PATIENCE_WITH_CONTAINER,
        None => PATIENCE,
    };
    let answer = tokio::time::timeout(patience, open(endpoint.clone())).await;
    if let Ok(Ok(opened)) = answer {
        return Some((endpoint, opened));
    }
    CachedAddress::remove(&cache, &key);
    None
}

/// Caches the address of a shared server that has answered, and its published port if it was
/// reached at the container's own address.
pub(super) fn cache(request: &Request, endpoint: &Endpoint, published: Option<&Endpoint>) {
    let port_of = |endpoint: &Endpoint| match endpoint.address {
        Address::Started { port, .. } => Some(port),
        Address::Given(_) => None,
    };
    if let Address::Started {
        host,
        port,
        password,
        remote,
    } = &endpoint.address
        && !request.spec.exclusive
        && let Some(cache) = request.cache()
    {
        let address = CachedAddress {
            host: host.clone(),
            port: *port,
            password: password.clone(),
            published: published.and_then(port_of),
            remote: *remote,
        };
        address.write(&cache, &key(request));
    }
}

/// Returns the name that the address is cached under: each engine that the environment may name
/// has its own servers.
fn key(request: &Request) -> String {
    let name = &request.name;
    match identity(&request.config).as_str() {
        "" => name.clone(),
        engine => format!("{name}-{}", hash::digest(engine, 4)),
    }
}
