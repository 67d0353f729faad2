//! A process's lease: a connection that keeps a server of ours running, and the name by which the
//! claims of this process are known.
//!
//! The server, or what is between, may end a connection that seems idle. So the lease is looked at
//! every few seconds and taken again under the same name.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisResult,
};

use crate::hash::random;
use crate::lifecycle::holder;
use crate::service::CONNECTION_TIMEOUT;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What separates the connection's name from the process that holds it.
const SEPARATOR: char = '|';

/// The lease of this process on one server.
pub(super) struct Lease {
    client: Client,
    connection: Mutex<Connection>,
    name: String,
    /// The name, and the process: what claims carry.
    pub(super) holder: String,
}

/// A connection that says whether it has ended.
struct Connection {
    connection: MultiplexedConnection,
    /// Set with RESP3 only.
    ended: Arc<AtomicBool>,
}

impl Lease {
    /// Connects. The name must be told to the server before anything is claimed.
    pub(super) async fn take(info: ConnectionInfo) -> RedisResult<Self> {
        let random = random().map_err(|error| std::io::Error::other(error.report()))?;
        let name = format!("container-test-{random}");
        let client = Client::open(info)?;
        let connection = connect(&client).await?;
        let holder = format!("{name}{SEPARATOR}{}", holder::current());
        Ok(Self {
            client,
            connection: Mutex::new(connection),
            name,
            holder,
        })
    }

    fn current(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the lease's connection.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.current().connection.clone()
    }

    /// Tells the server the name.
    pub(super) async fn tell_name(&self) -> RedisResult<()> {
        tell_name(&mut self.connection(), &self.name).await
    }

    /// Returns whether the connection is known to have ended. Nothing is asked.
    pub(super) fn has_ended(&self) -> bool {
        self.current().ended.load(Ordering::Relaxed)
    }

    /// Looks whether the lease stands, and takes it again if not; returns whether it was lost.
    pub(super) async fn renew(&self) -> RedisResult<bool> {
        let mut connection = self.connection();
        let ping = redis::cmd("PING");
        let ping = ping.query_async::<String>(&mut connection);
        if matches!(tokio::time::timeout(PATIENCE, ping).await, Ok(Ok(_))) {
            return Ok(false);
        }
        let mut connection = connect(&self.client).await?;
        tell_name(&mut connection.connection, &self.name).await?;
        *self.current() = connection;
        Ok(true)
    }
}

/// Returns the connection's name that a claim carries, and the process that holds it.
pub(super) fn parts(holder: &str) -> (&str, &str) {
    holder.split_once(SEPARATOR).unwrap_or((holder, ""))
}

async fn connect(client: &Client) -> RedisResult<Connection> {
    let ended = Arc::new(AtomicBool::new(false));
    let mut settings = connection_settings();
    if client.get_connection_info().redis_settings().protocol() == ProtocolVersion::RESP3 {
        let ended = Arc::clone(&ended);
        settings = settings.set_push_sender(move |push: PushInfo| {
            ended.fetch_or(push.kind == PushKind::Disconnection, Ordering::Relaxed);
            Ok::<_, Infallible>(())
        });
    }
    let connection = client
        .get_multiplexed_async_connection_with_config(&settings)
        .await?;
    Ok(Connection { connection, ended })
}

async fn tell_name(connection: &mut MultiplexedConnection, name: &str) -> RedisResult<()> {
    let mut tell = redis::cmd("CLIENT");
    tell.arg("SETNAME").arg(name).query_async(connection).await
}

/// Connects, and does so again if no answer came in time: a process that was stopped for a while could
/// not take it.
pub(super) async fn connect_again<T, E, F: Future<Output = Result<T, E>>>(
    is_timeout: impl Fn(&E) -> bool,
    connect: impl Fn() -> F,
) -> Result<T, E> {
    match connect().await {
        Err(error) if is_timeout(&error) => connect().await,
        connected => connected,
    }
}

/// Returns settings of our connections and of tests' connections. The client's default limit of
/// half a second for an answer would fail tests on a busy machine; a test has its own timeout.
pub(super) fn connection_settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_response_timeout(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::cell::Cell;
    use std::io::{Error, ErrorKind};

    use redis::RedisError;

    use super::connect_again;

    #[tokio::test]
    async fn a_connection_that_timed_out_is_made_again_once() {
        for (failures, kind, expected) in [
            (1, ErrorKind::TimedOut, Ok(2)),
            (2, ErrorKind::TimedOut, Err(2)),
            (1, ErrorKind::ConnectionRefused, Err(1)),
        ] {
            let tried = Cell::new(0);
            let connect = async || {
                tried.set(tried.get() + 1);
                if tried.get() <= failures {
                    return Err(RedisError::from(Error::from(kind)));
                }
                Ok(tried.get())
            };
            let connected = connect_again(RedisError::is_timeout, connect).await;
            assert_eq!(connected.map_err(|_| tried.get()), expected, "{kind}");
        }
    }
}
