//! The client `sqlx` 0.8.

use sqlx_core_0_8::connection::Connection;
use sqlx_core_0_8::pool::{PoolConnection, PoolOptions};
use sqlx_postgres_0_8::{PgConnectOptions, PgConnection, PgPool, Postgres as Sqlx};

use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;
use crate::postgres::slot::TestDatabase;

impl<D: Declares<Postgres>> FromContext<D> for PgPool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let open = || {
            let settings = PoolOptions::<Sqlx>::new()
                .max_connections(slot.max_connections())
                .idle_timeout(None)
                .max_lifetime(None);
            Ok(settings.connect_lazy_with(options(slot)?))
        };
        let close = |pool: PgPool| async move { pool.close().await };
        slot.pools().get_or_open(open, close)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolConnection<Sqlx> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let pool: PgPool = cx.get().await?;
        pool.acquire()
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        PgConnection::connect_with(&options(cx.slot::<Postgres>()?)?)
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnectOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        slot.hand_out_url();
        options(slot)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolOptions<Sqlx> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let max_connections = cx.slot::<Postgres>()?.max_connections();
        Ok(PoolOptions::new().max_connections(max_connections))
    }
}

/// Returns how the test connects.
fn options(slot: &TestDatabase) -> Result<PgConnectOptions> {
    slot.url()
        .parse()
        .map_err(failed("read the URL of the test's database"))
}
