use container_test::container_test;

async fn migrate(_url: String) {}

#[container_test(postgres, migrations = migrate)]
async fn case() {}
