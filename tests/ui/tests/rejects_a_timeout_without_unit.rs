use container_test::container_test;

#[container_test(postgres, timeout = "30")]
async fn case() {}
