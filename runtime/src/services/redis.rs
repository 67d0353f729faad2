//! Redis: the server's settings, the injectable types, the handle to a test's keyspace.

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client};

use crate::declaration::{Isolation, RedisOptions};
use crate::provider::{CONNECTION_TIMEOUT, STARTUP_TIMEOUT, Service, Wanted, random};
use crate::provision::keyspace::{ADMINISTRATOR, DATABASES, TEST_USER};
use crate::{Declares, Error, FromContext, Result, TestContext};

/// The service `redis`, as named in [`Declares`].
#[derive(Debug)]
pub enum Redis {}

/// The default image: the newest major version that the whole suite runs on.
const IMAGE: &str = "redis:8-alpine";

/// The server that the options ask for.
pub(crate) fn wanted(options: &RedisOptions) -> Result<Wanted> {
    let own = options.isolation == Isolation::Server;
    // On a shared server tests may not do what reaches into other tests' keyspaces.
    let denied: &[&str] = if own {
        &[]
    } else {
        &["-flushall", "-swapdb", "-shutdown", "-acl"]
    };
    let databases = DATABASES.to_string();
    let settings = [
        "--save",
        "",
        "--appendonly",
        "no",
        "--databases",
        &databases,
    ];
    let everything = ["on", ">{password}", "~*", "&*", "+@all"];
    let administrator = ["--user", ADMINISTRATOR].into_iter().chain(everything);
    let test_user = ["--user", TEST_USER]
        .into_iter()
        .chain(everything)
        .chain(denied.iter().copied());
    let mut args: Vec<String> = settings
        .into_iter()
        .chain(administrator)
        .chain(test_user)
        .map(str::to_owned)
        .collect();
    args.extend(options.args.iter().map(|&argument| argument.to_owned()));
    Ok(Wanted {
        service: Service::Redis,
        image: options.image.unwrap_or(IMAGE).to_owned(),
        args,
        env: options
            .env
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        startup_timeout: options.startup_timeout.unwrap_or(STARTUP_TIMEOUT),
        only_for: if own { Some(random()?) } else { None },
    })
}

/// Settings of our connections and of tests' connections. The client's default limit of half a
/// second for an answer would fail tests on a busy machine; a test has its own timeout.
pub(crate) fn connection_settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_response_timeout(None)
}

fn failed(what: &'static str) -> impl FnOnce(redis::RedisError) -> Error {
    move |error| Error::new(what).because(error)
}

impl<D: Declares<Redis>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Client::open(cx.redis()?.info()?).map_err(failed("make a Redis client"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for MultiplexedConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client: Client = cx.get().await?;
        client
            .get_multiplexed_async_connection_with_config(&connection_settings())
            .await
            .map_err(failed("connect to the test's keyspace"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for ConnectionManager {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client: Client = cx.get().await?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(None);
        ConnectionManager::new_with_config(client, settings)
            .await
            .map_err(failed("connect to the test's keyspace"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for Keyspace {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let claim = cx.redis()?;
        Ok(Self {
            url: claim.url(),
            connection: cx.get().await?,
        })
    }
}

/// A handle to the test's keyspace: a logical database that no other test uses.
///
/// # Examples
///
/// ```
/// use container_test::{Keyspace, container_test};
///
/// #[container_test(redis)]
/// async fn starts_empty(keyspace: Keyspace) -> container_test::Result<()> {
///     assert_eq!(keyspace.key_count().await?, 0);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Keyspace {
    url: String,
    connection: MultiplexedConnection,
}

impl Keyspace {
    /// The URL of the keyspace, with user, password and number.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of keys.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked.
    pub async fn key_count(&self) -> Result<u64> {
        redis::cmd("DBSIZE")
            .query_async(&mut self.connection.clone())
            .await
            .map_err(failed("count the keys"))
    }

    /// Removes all keys of this keyspace.
    ///
    /// # Errors
    ///
    /// If the server refuses.
    pub async fn flush(&self) -> Result<()> {
        redis::cmd("FLUSHDB")
            .query_async(&mut self.connection.clone())
            .await
            .map_err(failed("flush the keyspace"))
    }
}
