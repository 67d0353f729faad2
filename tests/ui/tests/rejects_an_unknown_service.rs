use container_test::container_test;

#[container_test(postgress)]
async fn case() {}
