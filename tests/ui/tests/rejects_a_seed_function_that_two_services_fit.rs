use container_test::{container_test, sqlx::PgPool};

#[container_test(orders = postgres, billing = postgres, seeds(insert_user))]
async fn case() {}

async fn insert_user(_pool: PgPool) {}
