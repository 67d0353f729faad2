use container_test::container_test;

#[container_test(flavor = "multi_thread", worker_threads = 0)]
async fn case() {}
