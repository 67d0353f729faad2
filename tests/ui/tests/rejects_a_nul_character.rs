use container_test::container_test;

#[container_test(postgres(user = "a\0b"))]
async fn case() {}
