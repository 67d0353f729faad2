use container_test::container_test;

#[container_test(postgres, migrations = [schema()])]
async fn case() {}

fn schema() -> &'static str {
    "CREATE TABLE users (id int)"
}
