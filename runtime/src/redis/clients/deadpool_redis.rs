//! The pool `deadpool-redis`.

use deadpool_redis::{Manager, Pool, Runtime};

use super::super::options::Redis;
use super::{POOL_SIZE, failed};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Redis>> FromContext<D> for Pool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let manager = Manager::new(cx.slot::<Redis>()?.info()?);
        Pool::builder(manager.map_err(failed("make a Redis client"))?)
            .max_size(POOL_SIZE.into())
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(failed("make a pool for the test's keyspace"))
    }
}
