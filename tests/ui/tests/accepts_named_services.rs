use container_test::redis::aio::ConnectionManager;
use container_test::{container_test, sqlx::PgPool};

#[container_test(
    orders = postgres(migrations = "migrations", seeds("users", insert_order)),
    billing = postgres(database = "billing", migrations = false),
    cache = redis,
    seeds(insert_session),
)]
async fn two_of_a_kind(
    #[from(orders)] orders: PgPool,
    #[from(billing)]
    #[allow(unused_mut)]
    mut billing: PgPool,
    cache: ConnectionManager,
) {
    drop((orders, billing, cache));
}

#[container_test(postgres, billing = postgres)]
async fn one_without_a_name(#[from(postgres)] pool: PgPool) {
    drop(pool);
}

#[container_test(orders = postgres, migrations = "migrations", seeds("users"))]
async fn one_of_a_kind(one: PgPool, #[from(orders)] other: PgPool) {
    drop((one, other));
}

#[container_test(orders = postgres, billing = postgres, one = redis, two = redis)]
async fn two_of_two_kinds(#[from(billing)] pool: PgPool, #[from(one)] redis: ConnectionManager) {
    drop((pool, redis));
}

#[container_test(orders = postgres, billing = postgres)]
async fn without_arguments() {}

async fn insert_order(orders: PgPool, cache: ConnectionManager) -> anyhow::Result<()> {
    orders.close().await;
    drop(cache);
    Ok(())
}

async fn insert_session(cache: ConnectionManager) {
    std::future::ready(cache).await;
}
