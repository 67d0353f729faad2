mod support {
    pub(crate) use container_test as services;
}

use support::services::{FromContext, Result, TestContext, sqlx::PgPool};

struct Name;

impl<D> FromContext<D> for Name {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        std::future::ready(cx.name()).await;
        Ok(Self)
    }
}

#[support::services::container_test(
    crate = crate::support::services,
    orders = postgres(
        image = "postgres:18-alpine",
        isolation = "server",
        migrations = ["SELECT 1"],
        startup_timeout = "90s",
        args = ["-c", "work_mem=64MB"],
        env = ["TZ=UTC"],
    ),
    billing = postgres(migrations = "migrations"),
    seeds(nothing),
    timeout = "30s",
    flavor = "multi_thread",
)]
async fn by_a_path(#[from(orders)] orders: PgPool, name: Name) {
    drop((orders, name));
}

#[support::services::container_test(crate = ::container_test, postgres)]
async fn by_an_absolute_path(pool: PgPool) {
    drop(pool);
}

async fn nothing() {
    std::future::ready(()).await;
}
