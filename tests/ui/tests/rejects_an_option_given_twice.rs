use container_test::container_test;

#[container_test(postgres, timeout = "30s", timeout = "40s")]
async fn case() {}
