use container_test::container_test;

#[container_test(postgres, seeds("users", "users.sql"))]
async fn case() {}
