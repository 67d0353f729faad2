//! The door: how a service is known to the rest.
//!
//! A service is a type that implements [`Service`]. The crate's own `Postgres` and `Redis` use
//! nothing else, and a service that is written elsewhere has the same rights: its path stands in
//! the attribute, `#[container_test(my_crate::Nats)]`.

mod endpoint;
mod slot;
mod spec;

use std::error::Error as StdError;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

pub use self::endpoint::{Address, Endpoint};
pub(crate) use self::endpoint::{NoLog, ServerLog, percent_encoded, without_password};
pub use self::slot::{Returned, Slot, SlotRequest};
#[cfg(feature = "testcontainers")]
pub(crate) use self::spec::STARTUP_TIMEOUT;
pub(crate) use self::spec::{
    ANSWER_TIMEOUT, CONNECTION_TIMEOUT, LocalData, LocalStart, NamesOf, PreparedData,
};
pub use self::spec::{ContainerSetup, LocalProgram, ServerSpec};
use crate::Result;
pub use crate::error::BoxError;

/// A kind of server that tests can declare, with the options of one declaration.
///
/// The type is what the attribute names, and its fields are the options: `my_crate::Nats(jetstream
/// = true)` makes a `Nats` by `Default` and assigns `true` to its field `jetstream`. Tests whose
/// [`spec`](Self::spec) is equal share one server, which the first of them starts.
///
/// # When each method is called
///
/// For each test, in this order: [`spec`](Self::spec); [`open`](Self::open), unless this process
/// has opened the server before; [`claim`](Self::claim); then, while the test has its slot, the
/// methods of [`Slot`]; at the end [`Slot::finish`] and [`Slot::release`].
///
/// Methods that return a future run on the background thread's runtime unless they say otherwise.
/// It lives as long as the process, so connections that are opened there, and tasks that are
/// spawned there with `tokio::spawn`, outlive the test. It has one thread: block it nowhere.
///
/// The page "Write a service" in the repository has a whole example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a service",
    note = "a service implements `container_test::Service`; the crate's own are `postgres`, `redis` and `container(…)`"
)]
pub trait Service: Default + Debug + Send + Sync + 'static {
    /// Name in messages, server names and environment variables: lower-case letters, digits and
    /// dashes, such as `nats` or `mail-hog`.
    ///
    /// `CONTAINER_TEST_NATS_URL` names a server that already runs, `CONTAINER_TEST_NATS_BIN` the
    /// directory of its programs. A dash becomes an underscore there.
    const NAME: &'static str;

    /// What this process holds of one server: the connection that is its lease, and whatever
    /// claims need. It is dropped when the process ends.
    type Server: Send + Sync + 'static;

    /// What one test has of a server: a database, a keyspace, a whole server.
    type Slot: Slot;

    /// Returns the server that these options ask for.
    ///
    /// Called once per test, on the test's thread. Equal options must give equal specs.
    ///
    /// # Errors
    ///
    /// If the options contradict each other.
    fn spec(&self) -> Result<ServerSpec>;

    /// Connects to a server and proves that it is ready.
    ///
    /// The value holds a connection to the server's port for as long as it lives: that connection
    /// is this process's lease, and a server without any lease ends after some seconds. While a
    /// server starts this is called every few milliseconds, until it succeeds, fails with
    /// [`OpenError::Fatal`], or the startup timeout has passed. It may be dropped at any `.await`.
    ///
    /// # Errors
    ///
    /// An [`OpenError`], which says whether to try again.
    fn open(endpoint: Endpoint) -> impl Future<Output = Result<Self::Server, OpenError>> + Send;

    /// Does what a claim needs that takes no server, such as reading files, and keeps the result for
    /// [`claim`](Self::claim).
    ///
    /// Called at most once per test, on the test's thread, while its server is found or started;
    /// not if the process has the server already. It saves time only: what goes wrong here is told
    /// by the claim, which must not rely on it. Default: nothing.
    fn prepare(&self, request: &SlotRequest) {
        let _ = request;
    }

    /// Claims a part of the server for one test.
    ///
    /// Called once per test. What the slot has must be out of reach for all other tests, in this
    /// process and in others, until [`Slot::release`] has returned or this process has died. No
    /// timeout limits it: it must return an error rather than wait for ever.
    ///
    /// # Errors
    ///
    /// Whatever keeps the test from having its part.
    fn claim(
        &self,
        server: Arc<Self::Server>,
        request: SlotRequest,
    ) -> impl Future<Output = Result<Self::Slot>> + Send;

    /// Returns whether the server has ended; asked after a claim has failed. If so, another server
    /// is found or started and the claim is made again, once.
    ///
    /// A started server whose port accepts no connection has ended in any case: implement this only
    /// for a server that can be unusable while its port is open. Default: `false`.
    fn is_gone(server: &Self::Server) -> impl Future<Output = bool> + Send {
        let _ = server;
        std::future::ready(false)
    }

    /// Returns an error of the service's client in plain words, if this is one: for reports, in
    /// place of the error's own `Display`.
    #[must_use]
    fn describe_error(error: &(dyn StdError + 'static)) -> Option<String> {
        let _ = error;
        None
    }
}

/// Why a server cannot be used yet, or not at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing answers, or the server says that it is starting: try again.
    Starting(BoxError),
    /// The server has no room for another connection: others may leave.
    Full(BoxError),
    /// Another try would not help: a refused password, a version that is too old.
    Fatal(BoxError),
}

impl OpenError {
    /// Returns an error that another try may mend.
    pub fn starting(error: impl Into<BoxError>) -> Self {
        Self::Starting(error.into())
    }

    /// Returns an error of a server that has no free connection.
    pub fn full(error: impl Into<BoxError>) -> Self {
        Self::Full(error.into())
    }

    /// Returns an error that another try would not mend.
    pub fn fatal(error: impl Into<BoxError>) -> Self {
        Self::Fatal(error.into())
    }

    /// Returns the cause alone.
    #[must_use]
    pub fn into_cause(self) -> BoxError {
        match self {
            Self::Starting(cause) | Self::Full(cause) | Self::Fatal(cause) => cause,
        }
    }
}

/// What a test has to itself of a service: the type of an option `isolation`.
///
/// `postgres` and `redis` write its values as text. Where it is a field of another service, the
/// attribute takes the value itself: `my_crate::Nats(isolation = Isolation::Server)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// `isolation = "database"`: its part of a server that tests share.
    #[default]
    Shared,
    /// `isolation = "server"`: a server that no other test uses.
    Server,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn started(host: &str, port: u16) -> Address {
        Address::Started {
            host: host.to_owned(),
            port,
            password: "secret".to_owned(),
            remote: false,
        }
    }

    #[test]
    fn urls_have_the_user_encoded_and_an_ipv6_address_in_brackets() {
        let url = |host: &str| started(host, 4222).url("nats", "me@home");
        assert_eq!(url("localhost"), "nats://me%40home:secret@localhost:4222");
        assert_eq!(url("::1"), "nats://me%40home:secret@[::1]:4222");
        let given = Address::Given("tls://a:b@c/d".to_owned());
        assert_eq!(given.url("nats", "me"), "tls://a:b@c/d");
    }

    #[test]
    fn urls_are_shown_without_passwords_and_with_everything_else() {
        for (url, shown) in [
            ("sql://me:secret@db:5432/x", Some("sql://me@db:5432/x")),
            (
                "sql://me@db/x?sslmode=require",
                Some("sql://me@db/x?sslmode=require"),
            ),
            (
                "sql://me@/x?host=/run&password=secret&sslpassword=secret&a=b",
                Some("sql://me@/x?host=/run&a=b"),
            ),
            ("sql://me:se@cr/e?t@db/x", Some("sql://me@db/x")),
            ("cache://:secret@[::1]:6379/3", Some("cache://[::1]:6379/3")),
            (
                "unix:///run/cache.sock?db=3&pass=secret",
                Some("unix:///run/cache.sock?db=3"),
            ),
            ("docker logs 0123456789ab", None),
            ("sql://me:secret", None),
        ] {
            assert_eq!(without_password(url).as_deref(), shown, "{url}");
        }
    }

    #[tokio::test]
    async fn a_server_is_closed_if_its_port_accepts_no_connection() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = |address| Endpoint {
            address,
            description: String::new(),
            outlives_tests: false,
            log: Arc::new(NoLog),
        };
        let server = endpoint(started("127.0.0.1", port));
        assert!(!server.is_closed().await);
        drop(listener);
        assert!(server.is_closed().await);
        let given = endpoint(Address::Given(format!("nats://127.0.0.1:{port}")));
        assert!(!given.is_closed().await, "its own way to connect decides");
    }
}
