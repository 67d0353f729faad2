use container_test::redis::aio::ConnectionManager;
use container_test::{container_test, sqlx::PgPool};

const IMAGE: &str = "postgres:17-alpine";
const SCHEMA: &str = "CREATE TABLE users (id int)";

#[container_test]
async fn none() {}

#[container_test(
    postgres(
        image = "timescale/timescaledb:latest-pg17",
        database = "app",
        user = "app",
        isolation = "server",
        startup_timeout = "90s",
        args = ["-c", "work_mem=64MB"],
        env = ["TZ=UTC", "LANG=C.UTF-8"],
        recycle = false,
        max_connections = 10,
        extensions = ["citext"],
        template_seeds = true,
    ),
    redis(
        image = "redis:8-alpine",
        isolation = "database",
        startup_timeout = "500ms",
        args = ["--maxmemory", "64mb"],
        env = ["TZ=UTC"],
    ),
    migrations = "migrations",
    seeds("users", "sql/more.sql", "sessions", insert_session, self::seed::nothing, seed::anything::<u8>),
    timeout = "2m",
    flavor = "multi_thread",
    worker_threads = 2,
)]
async fn all(pool: PgPool) {
    assert!(!pool.is_closed());
}

#[container_test(postgres(image = IMAGE), migrations = [SCHEMA, include_str!("fixtures/users.sql"), "SELECT 1;"])]
async fn constants() {}

#[container_test(postgres(image = concat!("postgres", ":17")), migrations = false, flavor = "current_thread")]
async fn composed() {}

#[container_test(postgres, flavor = "multi_thread")]
async fn threads() {}

async fn insert_session(pool: PgPool, _redis: ConnectionManager) -> anyhow::Result<()> {
    pool.close().await;
    Ok(())
}

mod seed {
    pub(crate) async fn nothing() {
        std::future::ready(()).await;
    }

    pub(crate) async fn anything<T: Default>(
        cx: container_test::TestContext,
    ) -> Result<(), std::fmt::Error> {
        std::future::ready((T::default(), cx)).await;
        Ok(())
    }
}
