//! The pool `bb8-redis`.

use bb8::Pool;
use bb8_redis::RedisConnectionManager;

use super::super::options::Redis;
use super::{POOL_SIZE, failed};
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};

impl<D: Declares<Redis>> FromContext<D> for Pool<RedisConnectionManager> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let manager = RedisConnectionManager::new(cx.slot::<Redis>()?.info()?);
        let manager = manager.map_err(failed("make a Redis client"))?;
        let settings = Pool::builder().max_size(POOL_SIZE.into());
        Ok(settings.build_unchecked(manager))
    }
}
