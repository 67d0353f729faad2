use container_test::container_test;

#[container_test(postgres(migrations = false))]
async fn case() {}
