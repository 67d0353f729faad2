use container_test::container_test;

#[container_test(postgres(user = "app", user = "web"))]
async fn case() {}
