use container_test::container_test;

#[container_test(postgres, timeout = "1h")]
async fn case() {}
