use container_test::{container_test, sqlx::PgPool};

#[container_test(postgres)]
fn case(_pool: PgPool) {}
