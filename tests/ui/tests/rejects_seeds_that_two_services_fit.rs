use container_test::container_test;

#[container_test(orders = postgres, billing = postgres, seeds("users"))]
async fn case() {}
