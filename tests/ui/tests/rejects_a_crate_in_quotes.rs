use container_test::container_test;

#[container_test(crate = "container_test", postgres)]
async fn case() {}
