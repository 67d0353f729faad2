use container_test::{container_test, sqlx::PgPool};

#[container_test(redis)]
async fn case(_pool: PgPool) {}
