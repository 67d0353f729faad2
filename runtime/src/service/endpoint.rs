//! A server that runs.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::spec::CONNECTION_TIMEOUT;

/// A server that runs: how to reach it, and what to say about it.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) address: Address,
    pub(crate) description: String,
    pub(crate) outlives_tests: bool,
    pub(crate) log: Arc<dyn ServerLog>,
}

impl Endpoint {
    /// Returns the endpoint of a service without a server.
    pub(crate) fn of_no_server() -> Self {
        Self {
            address: Address::Given(String::new()),
            description: String::new(),
            outlives_tests: true,
            log: Arc::new(NoLog),
        }
    }

    /// Returns how the server is reached.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns where the server runs, for people, without any password; nothing if the service has
    /// no server.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns whether the server was there before the tests and stays after them, so that nothing
    /// may be left on it.
    #[must_use]
    pub fn outlives_tests(&self) -> bool {
        self.outlives_tests
    }

    /// Returns whether this crate has started the server and its port accepts no connection.
    pub(crate) async fn is_closed(&self) -> bool {
        let Address::Started { host, port, .. } = &self.address else {
            return false;
        };
        let connect = TcpStream::connect((host.as_str(), *port));
        matches!(timeout(CONNECTION_TIMEOUT, connect).await, Ok(Err(_)))
    }

    /// Returns the last lines of the server's log; nothing if they cannot be read.
    pub async fn log_tail(&self, lines: usize) -> String {
        self.log.tail(lines).await
    }
}

impl Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.description).finish()
    }
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A server that this crate has started.
    Started {
        /// Host name or IP address.
        host: String,
        /// TCP port.
        port: u16,
        /// The server's random password.
        password: String,
        /// Whether the way there leaves this machine.
        remote: bool,
    },
    /// A server that the environment names, by its URL.
    Given(String),
}

impl Address {
    /// Returns the random password of a server that this crate has started. That of a server that
    /// the environment names is in its URL; for such a one this is empty.
    #[must_use]
    pub fn password(&self) -> &str {
        match self {
            Self::Started { password, .. } => password,
            Self::Given(_) => "",
        }
    }

    /// Returns the URL of the server: `scheme://user:password@host:port` of one that this crate has
    /// started, the URL as it is of one that the environment names.
    ///
    /// The user is percent-encoded, and an IPv6 address stands in brackets.
    #[must_use]
    pub fn url(&self, scheme: &str, user: &str) -> String {
        let (host, port, password) = match self {
            Self::Started {
                host,
                port,
                password,
                ..
            } => (host, port, password),
            Self::Given(url) => return url.clone(),
        };
        let user = percent_encoded(user);
        if host.contains(':') {
            format!("{scheme}://{user}:{password}@[{host}]:{port}")
        } else {
            format!("{scheme}://{user}:{password}@{host}:{port}")
        }
    }
}

/// Returns a URL without its password; nothing if it is none, or if it is not well-formed: the
/// password may be anywhere in it then.
pub(crate) fn without_password(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (until(user, ":/?#"), rest),
        None => ("", rest),
    };
    let at = if user.is_empty() { "" } else { "@" };
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    let after_host = base.rsplit(']').next().unwrap_or_default();
    let port = after_host
        .split_once(':')
        .map(|(_, port)| until(port, "/#"));
    if port.is_some_and(|port| !port.chars().all(|digit| digit.is_ascii_digit())) {
        return None;
    }
    let is_public = |pair: &&str| {
        let name = until(pair, "=");
        !["password", "pass", "sslpassword"].contains(&name)
    };
    let query: Vec<&str> = query.split('&').filter(is_public).collect();
    let query = query.join("&");
    let query = if query.is_empty() {
        query
    } else {
        format!("?{query}")
    };
    Some(format!("{scheme}://{user}{at}{base}{query}"))
}

/// Returns the text up to the first of the characters.
fn until<'a>(text: &'a str, characters: &str) -> &'a str {
    let end = text.find(|character| characters.contains(character));
    &text[..end.unwrap_or(text.len())]
}

/// Returns a part of a URL with everything encoded that could end it.
pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

impl Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Given(_) => f.write_str("given by a URL"),
        }
    }
}

/// The log of a running server.
pub(crate) trait ServerLog: Send + Sync {
    /// Returns the last lines; nothing if they cannot be read.
    fn tail(&self, lines: usize) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;
}

/// The log of a server that cannot be read.
#[derive(Debug)]
pub(crate) struct NoLog;

impl ServerLog for NoLog {
    fn tail(&self, _lines: usize) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(std::future::ready(String::new()))
    }
}
