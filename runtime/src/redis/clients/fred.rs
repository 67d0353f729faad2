//! The client `fred`. Clients are connected when the test gets them.

use fred::clients::{Client, Pool};
use fred::interfaces::ClientLike;
use fred::types::config::Config;

use super::super::options::Redis;
use super::{POOL_SIZE, failed};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Redis>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let client = Client::new(config(&cx.slot::<Redis>()?.url())?, None, None, None);
        connected(client).await
    }
}

impl<D: Declares<Redis>> FromContext<D> for Pool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let config = config(&cx.slot::<Redis>()?.url())?;
        let pool = Pool::new(config, None, None, None, POOL_SIZE.into());
        connected(pool.map_err(failed("make a pool for the test's keyspace"))?).await
    }
}

fn config(url: &str) -> Result<Config> {
    Config::from_url(url).map_err(failed("read the URL of the test's keyspace"))
}

async fn connected<C: ClientLike>(client: C) -> Result<C> {
    client
        .init()
        .await
        .map_err(failed("connect to the test's keyspace"))?;
    Ok(client)
}
