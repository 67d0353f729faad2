use container_test::container_test;

#[container_test(redis(isolation = server))]
async fn case() {}
