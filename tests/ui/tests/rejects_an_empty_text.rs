use container_test::container_test;

#[container_test(postgres(image = ""))]
async fn case() {}
