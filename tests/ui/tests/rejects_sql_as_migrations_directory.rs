use container_test::container_test;

#[container_test(postgres, migrations = "CREATE TABLE users (id int)")]
async fn case() {}
