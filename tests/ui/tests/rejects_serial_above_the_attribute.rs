use container_test::{container_test, sqlx::PgPool};

#[serial_test::serial]
#[container_test(postgres)]
#[case(1)]
async fn case(pool: PgPool, #[case] n: i32) {
    drop((pool, n));
}
