use container_test::container_test;

#[container_test(postgres, timeout = , flavor = "multi_thread")]
async fn case() {}
