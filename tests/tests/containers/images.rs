//! The images that the tests use.

use std::time::Duration;

use container_test::GenericImage;
use container_test::testcontainers::core::{IntoContainerPort, WaitFor};
use container_test::testcontainers::{ContainerRequest, ImageExt};

/// A server on port 6379, in an image with a shell.
pub(crate) fn redis() -> GenericImage {
    GenericImage::new("redis", "8-alpine")
        .with_exposed_port(6379.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
}

/// A server that answers `hello` on port 8080, in an image without a shell.
pub(crate) fn no_shell() -> GenericImage {
    GenericImage::new("container-test/no-shell", "1")
        .with_exposed_port(8080.tcp())
        .with_wait_for(WaitFor::message_on_either_std("listening"))
}

/// A container that runs a script, in place of the image's program.
pub(crate) fn script(text: &str) -> ContainerRequest<GenericImage> {
    GenericImage::new("redis", "8-alpine")
        .with_entrypoint("sh")
        .with_wait_for(WaitFor::message_on_stdout("script is ready"))
        .with_cmd(["-c", text])
        .with_startup_timeout(Duration::from_secs(20))
}
