use container_test::container_test;

#[container_test(postgres, seeds(insert_session))]
async fn case() {}
