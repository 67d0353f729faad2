//! The options of `container(…)`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::slot::TestContainer;
use crate::provider::{self, ContainerImage, Containers, ImageRequest};
use crate::service::{Endpoint, OpenError, ServerSpec, Service, SlotRequest};
use crate::{Error, Result, report};

/// A container of any image: the service `container(…)` of the attribute, with its options.
///
/// A test gets a container of its own, or shares one with other tests, on a Docker engine. The
/// handle to it is [`Container`](crate::Container).
///
/// # Examples
///
/// ```
/// use container_test::testcontainers::core::{IntoContainerPort, WaitFor};
/// use container_test::{AnyImage, GenericImage};
///
/// let mut container = AnyImage::default();
/// container.image(
///     GenericImage::new("redis", "8-alpine")
///         .with_exposed_port(6379.tcp())
///         .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections")),
/// );
/// container.shared = true;
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AnyImage {
    request: Option<ImageRequest>,
    /// Whether all tests with an equal request share one container, those of other processes as
    /// well. It takes an image with a shell. Default: a container for each test.
    pub shared: bool,
    /// Longest time until the container is ready, as its image says. Default: that of the request,
    /// else 60 s.
    pub startup_timeout: Option<Duration>,
}

impl AnyImage {
    /// Sets the image, or the request for a container of it, with its environment, command, mounts
    /// and files.
    ///
    /// # Examples
    ///
    /// ```
    /// use container_test::testcontainers::ImageExt;
    /// use container_test::{AnyImage, GenericImage};
    ///
    /// let mut container = AnyImage::default();
    /// container.image(GenericImage::new("nats", "2-alpine").with_cmd(["--jetstream"]));
    /// ```
    pub fn image<I>(&mut self, image: impl ContainerImage<I>) {
        self.request = Some(image.into_request());
    }

    fn image_request(&self) -> Result<&ImageRequest> {
        self.request.as_ref().ok_or_else(|| {
            Error::new("start a container")
                .because("no image is given")
                .with_help("call `image(…)` on the service")
        })
    }
}

/// What this process has of the engine: nothing until the first test claims a container.
#[derive(Debug, Default)]
pub struct Server {
    containers: OnceCell<Containers>,
}

impl Server {
    async fn containers(&self, request: &SlotRequest) -> Result<&Containers> {
        let connect = || provider::containers(&request.config, &request.failures);
        self.containers.get_or_try_init(connect).await
    }
}

impl Service for AnyImage {
    const NAME: &'static str = "container";
    type Server = Server;
    type Slot = TestContainer;

    fn spec(&self) -> Result<ServerSpec> {
        Ok(ServerSpec::without_server(Self::NAME))
    }

    async fn open(_: Endpoint) -> Result<Server, OpenError> {
        Ok(Server::default())
    }

    async fn claim(&self, server: Arc<Server>, request: SlotRequest) -> Result<TestContainer> {
        let image = self.image_request()?;
        let (containers, limit) = (server.containers(&request).await?, self.startup_timeout);
        let test = &request.test;
        let start = async {
            Ok(if self.shared {
                TestContainer::shared(containers.share(image, limit, test).await?)
            } else {
                TestContainer::own(containers.start(image, limit, test).await?)
            })
        };
        let waiting = || format!("waiting for a container of {}", image.image());
        report::waiting(waiting, start).await
    }
}
