use container_test::container_test;

#[container_test(container("mailhog/mailhog:v1.0.1"))]
async fn case() {}
