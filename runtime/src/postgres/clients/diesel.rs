//! The client `diesel`, and its pool `r2d2`.

use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{Connection, PgConnection};

use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let url = cx.slot::<Postgres>()?.url();
        // It blocks for as long as a connection takes: nothing else runs on this thread yet.
        PgConnection::establish(&url).map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for Pool<ConnectionManager<PgConnection>> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let url = slot.url();
        let open = || {
            let settings = Pool::builder()
                .max_size(slot.max_connections())
                .min_idle(Some(0));
            Ok(settings.build_unchecked(ConnectionManager::new(url)))
        };
        slot.pools().get_or_open(open, |_| async {})
    }
}
