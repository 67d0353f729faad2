use container_test::container_test;

#[container_test(orders = postgres, billing = postgres, migrations = "migrations")]
async fn case() {}
