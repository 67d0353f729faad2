//! How the ports of containers are reached: no more openly than necessary.

use std::net::{Ipv6Addr, TcpListener};

use super::engine::Engine;
use crate::config::Config;

/// Where the engine publishes ports, and where this process connects to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// The address that the engine publishes on.
    pub(super) publish_on: String,
    /// The host that this process connects to; an IPv6 address has no brackets.
    pub(super) connect_to: String,
    /// Whether the containers' own addresses are on a network of this machine. Connecting there
    /// avoids the engine's proxy, which every byte to a published port on loopback goes through.
    pub(super) direct: bool,
    /// Whether the way there leaves this machine.
    pub(super) remote: bool,
}

impl Reach {
    /// Returns how the ports of an engine's containers are reached.
    pub(super) async fn of(engine: &Engine, config: &Config) -> Self {
        let named = config.host_override();
        if let Some(host) = named.or_else(|| engine.host().map(str::to_owned)) {
            return Self::at_host(host);
        }
        match engine.gateway().await {
            // The address is this machine's own, so the engine runs here.
            Some(gateway) if TcpListener::bind((gateway.as_str(), 0)).is_ok() => Self {
                direct: true,
                ..Self::at("127.0.0.1")
            },
            // From inside a container of the same engine, ports of the machine are reached at the
            // bridge's gateway.
            Some(gateway) if config.in_container => Self::at(&gateway),
            _ => Self::at("127.0.0.1"),
        }
    }

    /// Returns how the ports of an engine are reached whose host is named.
    fn at_host(host: String) -> Self {
        if !is_remote(&host) {
            let loopback = if host == "::1" { "::1" } else { "127.0.0.1" };
            return Self::at(loopback);
        }
        let any = if host.parse::<Ipv6Addr>().is_ok() {
            "::"
        } else {
            "0.0.0.0"
        };
        Self {
            publish_on: any.to_owned(),
            connect_to: host,
            direct: false,
            remote: true,
        }
    }

    fn at(address: &str) -> Self {
        Self {
            publish_on: address.to_owned(),
            connect_to: address.to_owned(),
            direct: false,
            remote: false,
        }
    }
}

/// Returns whether a host is another machine.
fn is_remote(host: &str) -> bool {
    host != "localhost" && host != "::1" && !host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_published_openly_only_for_other_machines() {
        for (host, publish_on, connect_to, remote) in [
            ("localhost", "127.0.0.1", "127.0.0.1", false),
            ("127.0.0.2", "127.0.0.1", "127.0.0.1", false),
            ("::1", "::1", "::1", false),
            ("10.0.0.7", "0.0.0.0", "10.0.0.7", true),
            ("engine.example", "0.0.0.0", "engine.example", true),
            ("fe80::1", "::", "fe80::1", true),
        ] {
            let reach = Reach::at_host(host.to_owned());
            assert_eq!(reach.publish_on, publish_on, "{host}");
            assert_eq!(reach.connect_to, connect_to, "{host}");
            assert_eq!(reach.remote, remote, "{host}");
            assert!(!reach.direct, "{host}");
        }
    }
}
