use container_test::{container_test, sqlx::PgPool};

#[container_test(postgres)]
async fn case(_pool: PgPool, _name: String) {}
