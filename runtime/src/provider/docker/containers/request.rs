//! What a test asks for: an image, or a request that was made from one.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, Image, TestcontainersError};

use super::identity;
use super::plan::Plan;
use super::settings::Wishes;
use super::watched::watched;
use crate::Result;

/// What `container(…)` takes: an image, or a request for a container.
///
/// It is implemented for every type that becomes a [`ContainerRequest`]: `GenericImage`, the images
/// of `testcontainers-modules`, any other implementation of `testcontainers::Image`, and what the
/// methods of `testcontainers::ImageExt` make of them.
///
/// All of a request applies, except for what testcontainers does not let others read: limits set by
/// `with_ulimit` (set them by `with_host_config_modifier`) and log consumers (use
/// `Container::logs`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the image of a container",
    label = "not an image",
    note = "write a `GenericImage`, another `testcontainers::Image`, or a `testcontainers::ContainerRequest`"
)]
pub trait ContainerImage<I>: Sized {
    /// Returns the request, of whatever image.
    #[doc(hidden)]
    fn into_request(self) -> ImageRequest;
}

impl<T, I> ContainerImage<I> for T
where
    T: Into<ContainerRequest<I>>,
    I: Image + 'static,
{
    fn into_request(self) -> ImageRequest {
        ImageRequest(Arc::new(Typed(Arc::new(self.into()))))
    }
}

/// A request for a container of any image.
#[derive(Clone)]
pub struct ImageRequest(Arc<dyn AnyRequest>);

impl ImageRequest {
    /// Returns the image's name and tag, as the request has them.
    pub(crate) fn image(&self) -> String {
        self.0.image()
    }

    pub(super) fn request(&self) -> &dyn AnyRequest {
        &*self.0
    }
}

impl fmt::Debug for ImageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImageRequest").field(&self.image()).finish()
    }
}

/// The future of a container that is started.
pub(super) type Starting = Pin<Box<dyn Future<Output = Result<(), TestcontainersError>> + Send>>;

/// A request, whatever the type of its image.
pub(super) trait AnyRequest: Send + Sync {
    /// Returns the image's name and tag.
    fn image(&self) -> String;

    /// Returns everything that tells one container from another.
    ///
    /// # Errors
    ///
    /// If the request has something that cannot be compared.
    fn identity(&self) -> Result<Vec<String>>;

    /// Returns what the request says about the container's start.
    fn wishes(&self) -> Wishes;

    /// Creates and starts the container, and waits until it is ready. The caller removes it, also
    /// after an error.
    fn start(&self, plan: Plan) -> Starting;
}

struct Typed<I: Image>(Arc<ContainerRequest<I>>);

impl<I: Image + 'static> AnyRequest for Typed<I> {
    fn image(&self) -> String {
        self.0.descriptor()
    }

    fn identity(&self) -> Result<Vec<String>> {
        identity::of(&self.0)
    }

    fn wishes(&self) -> Wishes {
        let request = &self.0;
        Wishes {
            entrypoint: request.entrypoint().map(str::to_owned),
            command: request.cmd().map(Cow::into_owned).collect(),
            ports: request
                .expose_ports()
                .iter()
                .map(ToString::to_string)
                .collect(),
            platform: request.platform().clone(),
            network: request.network().clone(),
            name: request.container_name().clone(),
            startup_timeout: request.startup_timeout(),
            ends: request
                .ready_conditions()
                .iter()
                .any(|condition| matches!(condition, WaitFor::Exit(_))),
        }
    }

    fn start(&self, plan: Plan) -> Starting {
        let request = watched(&self.0, plan);
        Box::pin(async move {
            let container = request.start().await?;
            // Dropping it would remove the container.
            std::mem::forget(container);
            Ok(())
        })
    }
}
