use container_test::container_test;

#[container_test(container(shared = true))]
async fn case() {}
