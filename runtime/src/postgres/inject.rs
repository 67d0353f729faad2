//! The handle to a test's database, as an argument.

use super::database::Database;
use super::options::Postgres;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Postgres>> FromContext<D> for Database {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let pool = slot.pool().await.clone();
        Ok(Self::new(slot.url(), pool))
    }
}
