//! The client `tokio-postgres`, without TLS.

use tokio_postgres::{Client, Config, NoTls};

use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;
use crate::postgres::slot::TestDatabase;

impl<D: Declares<Postgres>> FromContext<D> for Client {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let connecting = config(cx.slot::<Postgres>()?)?;
        let (client, connection) = connecting
            .connect(NoTls)
            .await
            .map_err(failed("connect to the test's database"))?;
        // It ends with the client, or with the test's runtime. The client reports its errors.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(client)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for Config {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        config(slot)
    }
}

/// Returns how the test connects.
pub(super) fn config(slot: &TestDatabase) -> Result<Config> {
    slot.url()
        .parse()
        .map_err(failed("read the URL of the test's database"))
}
