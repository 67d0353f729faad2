//! The pool `deadpool-postgres`, without TLS.

use deadpool_postgres::{Manager, Pool, Runtime};
use tokio_postgres::NoTls;

use super::{failed, tokio_postgres::config};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for Pool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let open = || {
            Pool::builder(Manager::new(config(slot)?, NoTls))
                .max_size(slot.max_connections() as usize)
                .runtime(Runtime::Tokio1)
                .build()
                .map_err(failed("make a pool for the test's database"))
        };
        slot.pools()
            .get_or_open(open, |pool: Pool| async move { pool.close() })
    }
}
