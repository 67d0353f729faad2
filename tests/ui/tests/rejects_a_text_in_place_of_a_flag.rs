use container_test::container_test;

#[container_test(postgres(recycle = "no"))]
async fn case() {}
