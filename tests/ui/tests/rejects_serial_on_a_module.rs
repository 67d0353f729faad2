use container_test::container_test;

#[serial_test::parallel(servers)]
mod cases {
    use super::container_test;
    use container_test::sqlx::PgPool;

    #[container_test(postgres)]
    fn case(pool: PgPool) {
        drop(pool);
    }
}
