use container_test::container_test;

#[container_test(postgres)]
#[tokio::test]
async fn case() {}
