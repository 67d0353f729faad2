use container_test::container_test;

#[container_test(postgres(env = ["TZ=UTC", "TZ=CET"]))]
async fn case() {}
