use container_test::container_test;

#[container_test(postgres, timeout = "0s")]
async fn case() {}
