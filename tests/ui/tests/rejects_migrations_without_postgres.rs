use container_test::container_test;

#[container_test(redis, migrations = false)]
async fn case() {}
