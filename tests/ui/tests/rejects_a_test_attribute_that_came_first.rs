use container_test::container_test;

#[tokio::test]
#[container_test(postgres)]
async fn case() {}
