use container_test::container_test;

#[container_test(postgres, seeds())]
async fn case() {}
