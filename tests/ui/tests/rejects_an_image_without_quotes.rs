use container_test::container_test;

#[container_test(postgres(image = postgres))]
async fn case() {}
