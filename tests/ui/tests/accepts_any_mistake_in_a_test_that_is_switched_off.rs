#[container_test::container_test(postgress)]
#[cfg(any())]
async fn case() {}
