use container_test::container_test;

#[container_test(postgres, redis, seeds("both"))]
async fn case() {}
