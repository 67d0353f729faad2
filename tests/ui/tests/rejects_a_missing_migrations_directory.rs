use container_test::container_test;

#[container_test(postgres, migrations = "migrrations")]
async fn case() {}
