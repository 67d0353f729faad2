use container_test::container_test;

#[container_test(postgres, migrations = true)]
async fn case() {}
