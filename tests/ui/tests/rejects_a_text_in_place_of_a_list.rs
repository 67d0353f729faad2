use container_test::container_test;

#[container_test(postgres(args = "-c work_mem=64MB"))]
async fn case() {}
