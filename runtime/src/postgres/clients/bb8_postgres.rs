//! The pool `bb8-postgres`, without TLS. It cannot be closed, and ends with its last copy.

use bb8::Pool;
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::NoTls;

use super::tokio_postgres::config;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for Pool<PostgresConnectionManager<NoTls>> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let open = || {
            let manager = PostgresConnectionManager::new(config(slot)?, NoTls);
            let settings = Pool::builder().max_size(slot.max_connections());
            Ok(settings.build_unchecked(manager))
        };
        slot.pools().get_or_open(open, |_| async {})
    }
}
