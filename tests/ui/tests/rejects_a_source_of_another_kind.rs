use container_test::{container_test, sqlx::PgPool};

#[container_test(orders = postgres, billing = postgres, cache = redis)]
async fn case(#[from(cache)] _pool: PgPool) {}
