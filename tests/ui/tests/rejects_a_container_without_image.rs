use container_test::container_test;

#[container_test(container)]
async fn case() {}
