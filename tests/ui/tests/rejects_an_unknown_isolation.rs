use container_test::container_test;

#[container_test(postgres(isolation = "schema"))]
async fn case() {}
