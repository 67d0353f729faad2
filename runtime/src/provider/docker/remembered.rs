//! The address of a shared server, remembered per user: whoever comes next connects at once,
//! without asking the engine. It is never trusted: a server that does not know our password is
//! not ours, and then the engine is asked.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::super::local::{forget_file, keep_file, kept_file};
use super::super::{Address, BoxError, Endpoint, Source, Wanted};
use super::container::Container;

/// How long a remembered address may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for the address of a container: nobody refuses a connection to one that is gone.
const PATIENCE_WITH_CONTAINER: Duration = Duration::from_millis(500);

/// Connects to the remembered server, if there is one that answers.
pub(crate) async fn remembered<T, C, F>(wanted: &Wanted, connect: &C) -> Option<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    if wanted.only_for.is_some() {
        return None;
    }
    let name = wanted.server_name(wanted.idle().ok()?);
    let text = kept_file(&file(&name))?;
    let mut words = text.split_whitespace();
    let (host, port, password) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let published: Option<u16> = words.next().and_then(|port| port.parse().ok());
    // The engine's proxy is asked first whether it is still there.
    if published.is_some_and(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
        forget_file(&file(&name));
        return None;
    }
    let endpoint = Endpoint {
        address: Address::Ours {
            host: host.to_owned(),
            port,
            password: password.to_owned(),
        },
        place: format!("docker container {name} ({})", wanted.image),
        source: Source::Docker(Container::unseen(name.clone(), host)),
    };
    let patience = match published {
        Some(_) => PATIENCE_WITH_CONTAINER,
        None => PATIENCE,
    };
    let answered = tokio::time::timeout(patience, connect(endpoint.clone())).await;
    if let Ok(Ok(lease)) = answered {
        return Some((endpoint, lease));
    }
    forget_file(&file(&name));
    None
}

/// Remembers a server that answered.
pub(super) fn remember(wanted: &Wanted, idle: Duration, endpoint: &Endpoint) {
    if let (
        None,
        Address::Ours {
            host,
            port,
            password,
        },
        Source::Docker(container),
    ) = (&wanted.only_for, &endpoint.address, &endpoint.source)
    {
        let published = container.published.map(|port| format!(" {port}"));
        let published = published.unwrap_or_default();
        // Without it, the next one asks the engine.
        keep_file(
            &file(&wanted.server_name(idle)),
            &format!("{host} {port} {password}{published}\n"),
        );
    }
}

fn file(name: &str) -> String {
    format!("{name}.address")
}
