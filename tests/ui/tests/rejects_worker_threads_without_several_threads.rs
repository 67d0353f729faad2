use container_test::container_test;

#[container_test(worker_threads = 2)]
async fn case() {}
