use container_test::container_test;

#[container_test(postgres, migrations = include_str!("x.sql"))]
async fn case() {}
