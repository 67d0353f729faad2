use container_test::container_test;

#[container_test(postgres, seeds("seeds/tokens.sql"))]
async fn case() {}
