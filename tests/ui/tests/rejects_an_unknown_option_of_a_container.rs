use container_test::{GenericImage, container_test};

#[container_test(container(image(), privileged = true))]
async fn case() {}

fn image() -> GenericImage {
    GenericImage::new("mailhog/mailhog", "v1.0.1")
}
