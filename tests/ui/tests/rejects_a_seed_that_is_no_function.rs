use container_test::container_test;

const USERS: &str = "users";

#[container_test(postgres, seeds(USERS))]
async fn case() {}
