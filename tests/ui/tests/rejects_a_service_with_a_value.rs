use container_test::container_test;

#[container_test(postgres = "postgres:17")]
async fn case() {}
