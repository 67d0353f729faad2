use container_test::container_test;

#[container_test(postgres, seeds("users", "usres"))]
async fn case() {}
