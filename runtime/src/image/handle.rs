//! The handle to a test's container.

use std::fmt;
use std::sync::Arc;

use super::options::AnyImage;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::process::Process;
use crate::provider::{ExecOutput, Running};

impl<D: Declares<AnyImage>> FromContext<D> for Container {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(Self {
            running: cx.slot::<AnyImage>()?.running.clone(),
            process: Arc::clone(cx.process()),
        })
    }
}

/// A handle to the test's container.
///
/// # Examples
///
/// ```no_run
/// use container_test::testcontainers::core::{IntoContainerPort, WaitFor};
/// use container_test::{Container, GenericImage, container_test};
///
/// fn mailhog() -> GenericImage {
///     GenericImage::new("mailhog/mailhog", "v1.0.1")
///         .with_exposed_port(1025.tcp())
///         .with_wait_for(WaitFor::message_on_either_std("Serving"))
/// }
///
/// #[container_test(container(mailhog()))]
/// async fn takes_mail(container: Container) -> std::io::Result<()> {
///     let address = container.address(1025)?;
///     tokio::net::TcpStream::connect(address).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Container {
    running: Running,
    process: Arc<Process>,
}

impl Container {
    /// Returns the host that the container's ports are published at; an IPv6 address has no
    /// brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.running.host
    }

    /// Returns the port that a port of the container is published at. It is a TCP port, or one of
    /// another protocol if the container exposes no TCP port of that number.
    ///
    /// # Errors
    ///
    /// If the container exposes no such port; the error lists those that it does.
    pub fn port(&self, container_port: u16) -> Result<u16> {
        self.running.port(container_port)
    }

    /// Returns where a port of the container is reached, as `host:port`.
    ///
    /// # Errors
    ///
    /// If the container exposes no such port; the error lists those that it does.
    pub fn address(&self, container_port: u16) -> Result<String> {
        let (host, port) = (self.host(), self.port(container_port)?);
        Ok(if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        })
    }

    /// Runs a program in the container and returns what it has left, whatever its exit code.
    ///
    /// # Errors
    ///
    /// If the container has no such program, or has ended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn f(container: container_test::Container) -> container_test::Result<()> {
    /// let output = container.exec(["sh", "-c", "echo $HOSTNAME"]).await?;
    /// assert_eq!(output.code, 0);
    /// assert!(container.id().starts_with(output.stdout.trim()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn exec(
        &self,
        command: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ExecOutput> {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        let running = self.running.clone();
        let exec = async move { running.exec(command).await };
        self.process.background.run(exec).await
    }

    /// Returns what the container has written to its standard output and standard error so far.
    ///
    /// # Errors
    ///
    /// If the container has ended.
    pub async fn logs(&self) -> Result<String> {
        let running = self.running.clone();
        let logs = async move { running.log(0, None).await };
        self.process.background.run(logs).await
    }

    /// Returns the container's id on the engine.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.running.id
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("image", &self.running.image)
            .field("id", &self.running.id)
            .finish_non_exhaustive()
    }
}
