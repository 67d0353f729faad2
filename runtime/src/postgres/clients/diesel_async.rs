//! The client `diesel-async`, with its pools of `deadpool` and of `bb8`.

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for AsyncPgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        AsyncPgConnection::establish(&cx.slot::<Postgres>()?.url())
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for deadpool::Pool<AsyncPgConnection> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let open = || {
            deadpool::Pool::builder(AsyncDieselConnectionManager::new(slot.url()))
                .max_size(slot.max_connections() as usize)
                .runtime(::deadpool::Runtime::Tokio1)
                .build()
                .map_err(failed("make a pool for the test's database"))
        };
        let close = |pool: deadpool::Pool<AsyncPgConnection>| async move { pool.close() };
        slot.pools().get_or_open(open, close)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for bb8::Pool<AsyncPgConnection> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let url = slot.url();
        let open = || {
            let settings = bb8::Pool::builder().max_size(slot.max_connections());
            Ok(settings.build_unchecked(AsyncDieselConnectionManager::new(url)))
        };
        slot.pools().get_or_open(open, |_| async {})
    }
}
