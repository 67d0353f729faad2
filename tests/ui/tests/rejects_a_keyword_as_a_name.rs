use container_test::container_test;

#[container_test(type = postgres)]
async fn case() {}
