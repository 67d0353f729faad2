//! Documented.

use container_test::sqlx::PgPool;
use container_test::{Declares, FromContext, Postgres, Result, TestContext, container_test};

pub mod inner {
    use super::*;

    #[container_test(postgres)]
    pub async fn public(_: PgPool) {}

    #[container_test(postgres)]
    pub(crate) async fn of_the_crate(mut pool: PgPool) {
        pool.clone_from(&pool.clone());
    }

    #[container_test(postgres)]
    pub(in crate::inner) async fn of_a_module(
        #[allow(unused)] Users { pool, .. }: Users,
        cx: TestContext,
    ) -> anyhow::Result<()> {
        let _pool: PgPool = pool;
        anyhow::ensure!(!cx.name().is_empty());
        Ok(())
    }

    #[container_test(postgres)]
    async fn r#async(pool: PgPool) {
        drop(pool);
    }
}

/// A type of one's own.
pub struct Users {
    pool: PgPool,
    _name: String,
}

impl<D: Declares<Postgres>> FromContext<D> for Users {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self {
            pool: cx.get().await?,
            _name: cx.name().to_owned(),
        })
    }
}
