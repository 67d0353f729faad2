//! The client `sqlx`.

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, PgPool};

use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::failure::failed;
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for PgPool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.slot::<Postgres>()?.pool().await.clone())
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolConnection<sqlx::Postgres> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.slot::<Postgres>()?
            .pool()
            .await
            .acquire()
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.slot::<Postgres>()?.connect().await
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnectOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.slot::<Postgres>()?.hand_out_options())
    }
}
