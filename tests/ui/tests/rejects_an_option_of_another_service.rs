use container_test::container_test;

#[container_test(redis(database = "app"))]
async fn case() {}
