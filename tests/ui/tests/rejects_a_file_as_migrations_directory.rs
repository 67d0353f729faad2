use container_test::container_test;

#[container_test(postgres, migrations = "Cargo.toml")]
async fn case() {}
