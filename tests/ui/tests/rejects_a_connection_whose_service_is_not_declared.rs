use container_test::{container_test, redis::aio::ConnectionManager};

#[container_test(postgres)]
async fn case(_redis: ConnectionManager) {}
