use container_test::container_test;

#[container_test(container(
    container_test::GenericImage::new("mailhog/mailhog", "v1.0.1"),
    seeds("users.sql")
))]
async fn case() {}
