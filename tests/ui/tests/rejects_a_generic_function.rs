use container_test::{container_test, sqlx::PgPool};

#[container_test(postgres)]
async fn case<T: Clone>(_pool: PgPool) {}
