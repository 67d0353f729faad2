use container_test::container_test;

const USERS: &str = "CREATE TABLE users (id int)";

#[container_test(postgres, migrations = USERS)]
async fn case() {}
