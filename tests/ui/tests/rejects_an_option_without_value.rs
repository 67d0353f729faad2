use container_test::container_test;

#[container_test(postgres, timeout)]
async fn case() {}
