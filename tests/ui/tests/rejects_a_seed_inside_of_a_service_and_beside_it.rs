use container_test::container_test;

#[container_test(postgres(seeds("users")), seeds("users"))]
async fn case() {}
