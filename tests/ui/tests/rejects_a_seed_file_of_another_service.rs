use container_test::container_test;

#[container_test(postgres, redis(seeds("users.sql")))]
async fn case() {}
