use container_test::container_test;

#[container_test(postgres, fixtures("users", "missing"))]
async fn case() {}
