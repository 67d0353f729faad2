use container_test::container_test;

#[container_test(postgres(imgae = "postgres:18-alpine"))]
async fn case() {}
