use container_test::{GenericImage, container_test};

#[container_test(container(GenericImage::new("mailhog/mailhog", "v1.0.1")))]
async fn alone() {}

#[container_test(
    container(image("mailhog"), shared = true, startup_timeout = "90s", seeds(nothing)),
    proxy = container(image("envoy")),
)]
async fn with_options() {}

fn image(name: &str) -> GenericImage {
    GenericImage::new(name, "latest")
}

async fn nothing() {
    std::future::ready(()).await;
}
