use container_test::container_test;

#[container_test(postgres(env = ["TZ=UTC", "PGOPTIONS"]))]
async fn case() {}
