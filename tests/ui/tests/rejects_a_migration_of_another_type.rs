use container_test::container_test;

#[container_test(postgres, migrations = [42])]
async fn case() {}
