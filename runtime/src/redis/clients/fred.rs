//! The client `fred`. Clients are connected when the test gets them.

use fred::clients::{Client, Pool};
use fred::interfaces::ClientLike;
use fred::types::config::Config;

use super::super::options::Redis;
use super::super::slot::TestKeyspace;
use super::{POOL_SIZE, failed};
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::{Error, Result};

impl<D: Declares<Redis>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let config = config(cx.slot::<Redis>()?)?;
        connected(Client::new(config, None, None, None)).await
    }
}

impl<D: Declares<Redis>> FromContext<D> for Pool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let config = config(cx.slot::<Redis>()?)?;
        let pool = Pool::new(config, None, None, None, POOL_SIZE.into());
        connected(pool.map_err(failed("make a pool for the test's keyspace"))?).await
    }
}

fn config(keyspace: &TestKeyspace) -> Result<Config> {
    check(keyspace.info()?.redis_settings().db())?;
    Config::from_url(&keyspace.url()).map_err(failed("read the URL of the test's keyspace"))
}

/// Refuses a number that the client has no room for.
fn check(number: i64) -> Result<()> {
    if u8::try_from(number).is_ok() {
        return Ok(());
    }
    let cause = format!("it takes logical databases up to 255, and the test has number {number}");
    Err(Error::new("make a client of fred")
        .because(cause)
        .with_help(
            "name others in CONTAINER_TEST_REDIS_DATABASES, such as `8-15`, or use another client",
        ))
}

async fn connected<C: ClientLike>(client: C) -> Result<C> {
    client
        .init()
        .await
        .map_err(failed("connect to the test's keyspace"))?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_the_client_has_no_room_for_are_refused() {
        assert!(check(255).is_ok());
        let report = check(256).err().map(|error| error.report());
        let report = report.unwrap_or_default();
        assert!(report.contains("and the test has number 256"), "{report}");
    }
}
