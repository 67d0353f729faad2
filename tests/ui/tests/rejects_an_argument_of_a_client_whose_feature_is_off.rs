use container_test::container_test;

#[container_test(postgres)]
async fn case(_pool: deadpool_postgres::Pool) {}
