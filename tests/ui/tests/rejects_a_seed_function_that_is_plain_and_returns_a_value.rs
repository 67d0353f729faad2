use container_test::{container_test, sqlx::PgPool};

#[container_test(postgres, seeds(insert_user))]
async fn case() {}

fn insert_user(_pool: PgPool) -> u64 {
    1
}
