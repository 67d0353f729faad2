//! Pools of clients: one of each type per test, closed when the test ends.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use crate::Result;

type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A pool of some client, and how it is closed.
struct Pool {
    pool: Box<dyn Any + Send>,
    close: Box<dyn FnOnce() -> Closing + Send>,
}

/// The pools of one test. A pool that a test leaves in a `static` opens no connection later, since
/// it is closed: the database can be recycled.
#[derive(Default)]
pub(super) struct Pools(Mutex<HashMap<TypeId, Pool>>);

impl Pools {
    /// Returns the test's pool of this type, which is made at the first call.
    #[allow(dead_code, reason = "some clients have no pool")]
    pub(super) fn get_or_open<P, F>(
        &self,
        open: impl FnOnce() -> Result<P>,
        close: impl FnOnce(P) -> F + Send + 'static,
    ) -> Result<P>
    where
        P: Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = pools.get(&TypeId::of::<P>());
        if let Some(pool) = found.and_then(|pool| pool.pool.downcast_ref::<P>()) {
            return Ok(pool.clone());
        }
        let pool = open()?;
        let closed = pool.clone();
        let entry = Pool {
            pool: Box::new(pool.clone()),
            close: Box::new(move || Box::pin(close(closed))),
        };
        pools.insert(TypeId::of::<P>(), entry);
        Ok(pool)
    }

    /// Closes all pools.
    pub(super) async fn close(&self) {
        let pools = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for pool in pools.into_values() {
            drop(pool.pool);
            (pool.close)().await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_test_has_one_pool_of_a_type_which_is_closed_at_its_end() {
        let pools = Pools::default();
        let closed = Arc::new(AtomicU32::new(0));
        let pool = |number: u32| {
            let closed = Arc::clone(&closed);
            let close = move |pool: Arc<u32>| async move {
                closed.fetch_add(*pool, Ordering::Relaxed);
            };
            pools.get_or_open(|| Ok(Arc::new(number)), close).unwrap()
        };
        assert_eq!(*pool(1), 1);
        assert_eq!(*pool(2), 1, "the second call gets the first pool");
        pools
            .get_or_open(|| Ok("another type"), |_| async {})
            .unwrap();

        pools.close().await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert_eq!(*pool(4), 4, "a closed pool is not handed out");
    }
}
