use container_test::container_test;

#[container_test(flavor = "multithread")]
async fn case() {}
