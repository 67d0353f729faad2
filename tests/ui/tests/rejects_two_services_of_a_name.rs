use container_test::container_test;

#[container_test(data = postgres, data = redis)]
async fn case() {}
