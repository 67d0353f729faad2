use container_test::container_test;

#[container_test(postgres(migrations = false), migrations = "migrations")]
async fn case() {}
