//! The client `redis`.

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};

use super::super::lease::connection_settings;
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
