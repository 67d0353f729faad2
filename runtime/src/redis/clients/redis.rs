//! The client `redis`.

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{Client, RedisError};

use super::super::lease::{connect_again, connection_settings};
use super::super::options::{Redis, failed};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::service::CONNECTION_TIMEOUT;

impl<D: Declares<Redis>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Client::open(cx.slot::<Redis>()?.info()?).map_err(failed("make a Redis client"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for MultiplexedConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client: Client = cx.get().await?;
        let settings = connection_settings();
        let connect = || client.get_multiplexed_async_connection_with_config(&settings);
        connect_again(RedisError::is_timeout, connect)
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
        let connect =
            async || ConnectionManager::new_with_config(client.clone(), settings.clone()).await;
        connect_again(RedisError::is_timeout, connect)
            .await
            .map_err(failed("connect to the test's keyspace"))
    }
}
