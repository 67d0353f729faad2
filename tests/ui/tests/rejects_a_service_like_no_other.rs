use container_test::container_test;

#[container_test(kafka)]
async fn case() {}
