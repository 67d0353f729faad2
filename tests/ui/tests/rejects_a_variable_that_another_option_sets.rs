use container_test::container_test;

#[container_test(postgres(env = ["TZ=UTC", "POSTGRES_USER=shop", "POSTGRES_INITDB_ARGS=--locale=C"]))]
async fn case() {}
