use container_test::container_test;

#[container_test(orders = postgers(image = "postgres:18"))]
async fn case() {}
