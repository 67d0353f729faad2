use container_test::container_test;

#[container_test(crate::services::Mail)]
async fn case() {}
