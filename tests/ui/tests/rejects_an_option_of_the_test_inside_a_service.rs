use container_test::container_test;

#[container_test(postgres(timeout = "30s"))]
async fn case() {}
