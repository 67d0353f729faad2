//! The client `redis` 0.32.

use redis_0_32::aio::{ConnectionManager, MultiplexedConnection};
use redis_0_32::{Client, RedisError};

use super::super::lease::connect_again;
use super::super::options::Redis;
use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Redis>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Client::open(cx.slot::<Redis>()?.url()).map_err(failed("make a Redis client"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for MultiplexedConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client: Client = cx.get().await?;
        let connect = || client.get_multiplexed_async_connection();
        connect_again(RedisError::is_timeout, connect)
            .await
            .map_err(failed("connect to the test's keyspace"))
    }
}

impl<D: Declares<Redis>> FromContext<D> for ConnectionManager {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client: Client = cx.get().await?;
        let connect = || ConnectionManager::new(client.clone());
        connect_again(RedisError::is_timeout, connect)
            .await
            .map_err(failed("connect to the test's keyspace"))
    }
}
