use container_test::sqlx::PgPool;
use container_test::{Declares, FromContext, Postgres, Result, TestContext, container_test};

struct Users {
    _pool: PgPool,
}

impl<D: Declares<Postgres>> FromContext<D> for Users {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self {
            _pool: cx.get().await?,
        })
    }
}

#[container_test(redis)]
async fn case(_users: Users) {}
