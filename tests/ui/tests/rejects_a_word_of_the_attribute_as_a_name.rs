use container_test::container_test;

#[container_test(postgres = redis)]
async fn case() {}
