use container_test::container_test;

#[container_test(postgres, image = "postgres:17")]
async fn case() {}
