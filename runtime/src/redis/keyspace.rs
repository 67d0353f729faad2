//! The handle to a test's keyspace.

use redis::aio::MultiplexedConnection;

use super::options::{Redis, failed};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Redis>> FromContext<D> for Keyspace {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self {
            url: cx.slot::<Redis>()?.url(),
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
#[derive(Clone)]
pub struct Keyspace {
    url: String,
    connection: MultiplexedConnection,
}

impl std::fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL has the password.
        f.debug_struct("Keyspace").finish_non_exhaustive()
    }
}

impl Keyspace {
    /// Returns the URL of the keyspace, with user, password and number.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of keys.
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
