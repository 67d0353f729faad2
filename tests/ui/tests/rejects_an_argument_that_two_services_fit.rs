use container_test::{container_test, sqlx::PgPool};

#[container_test(orders = postgres, billing = postgres)]
async fn case(_pool: PgPool) {}
