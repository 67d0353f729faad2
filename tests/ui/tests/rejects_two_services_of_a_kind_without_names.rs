use container_test::container_test;

#[container_test(postgres, redis, postgres(recycle = false))]
async fn case() {}
