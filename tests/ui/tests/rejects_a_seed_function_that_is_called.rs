use container_test::container_test;

#[container_test(postgres, seeds(insert_session()))]
async fn case() {}

async fn insert_session() {}
