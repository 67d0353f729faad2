//! An image whose program runs under the watchdog; all else is as its request says.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use testcontainers::core::{ContainerPort, ContainerState, ExecCommand, Mount, WaitFor};
use testcontainers::{ContainerRequest, CopyToContainer, Image, ImageExt, TestcontainersError};
use tokio::sync::oneshot;

use super::plan::Plan;

/// The image of a request.
struct Watched<I: Image> {
    request: Arc<ContainerRequest<I>>,
    image: (String, String),
    entrypoint: Option<String>,
    command: Vec<String>,
    running: Mutex<Option<oneshot::Sender<()>>>,
}

impl<I: Image> Image for Watched<I> {
    fn name(&self) -> &str {
        &self.image.0
    }

    fn tag(&self) -> &str {
        &self.image.1
    }

    fn ready_conditions(&self) -> Vec<WaitFor> {
        self.request.ready_conditions()
    }

    fn env_vars(
        &self,
    ) -> impl IntoIterator<Item = (impl Into<Cow<'_, str>>, impl Into<Cow<'_, str>>)> {
        self.request.env_vars()
    }

    fn mounts(&self) -> impl IntoIterator<Item = &Mount> {
        self.request.mounts()
    }

    fn copy_to_sources(&self) -> impl IntoIterator<Item = &CopyToContainer> {
        self.request.copy_to_sources()
    }

    fn entrypoint(&self) -> Option<&str> {
        self.entrypoint.as_deref()
    }

    fn cmd(&self) -> impl IntoIterator<Item = impl Into<Cow<'_, str>>> {
        &self.command
    }

    fn expose_ports(&self) -> &[ContainerPort] {
        self.request.expose_ports()
    }

    fn exec_after_start(
        &self,
        state: ContainerState,
    ) -> Result<Vec<ExecCommand>, TestcontainersError> {
        self.request.image().exec_after_start(state)
    }

    /// Called as soon as the container runs.
    fn exec_before_ready(
        &self,
        state: ContainerState,
    ) -> Result<Vec<ExecCommand>, TestcontainersError> {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = running {
            // Without a lease, nothing waits for it.
            let _ = running.send(());
        }
        self.request.image().exec_before_ready(state)
    }
}

/// Returns a request for the same container, created by the plan.
pub(super) fn watched<I: Image + 'static>(
    request: &Arc<ContainerRequest<I>>,
    plan: Plan,
) -> ContainerRequest<impl Image + use<I>> {
    let (entrypoint, command) = match plan.watchdog {
        Some(arguments) => (Some("sh".to_owned()), arguments),
        None => (
            request.entrypoint().map(str::to_owned),
            request.cmd().map(Cow::into_owned).collect(),
        ),
    };
    let image = Watched {
        request: Arc::clone(request),
        image: plan.image,
        entrypoint,
        command,
        running: Mutex::new(Some(plan.running)),
    };
    let mut copy = image
        .with_container_name(plan.name)
        .with_startup_timeout(plan.startup_timeout)
        .with_labels(request.labels())
        .with_labels(plan.labels)
        .with_privileged(request.privileged())
        .with_readonly_rootfs(request.readonly_rootfs());
    let modifier = request.host_config_modifier().cloned();
    let publish = plan.publish;
    copy = copy.with_host_config_modifier(move |host| {
        if let Some(modifier) = &modifier {
            modifier(host);
        }
        publish.adjust(host);
    });
    for (name, host) in request.hosts() {
        copy = copy.with_host(name, host.clone());
    }
    for port in request.ports().into_iter().flatten() {
        copy = copy.with_mapped_port(port.host_port(), port.container_port());
    }
    for capability in request.cap_add().into_iter().flatten() {
        copy = copy.with_cap_add(capability);
    }
    for capability in request.cap_drop().into_iter().flatten() {
        copy = copy.with_cap_drop(capability);
    }
    for option in request.security_opts().into_iter().flatten() {
        copy = copy.with_security_opt(option);
    }
    if let Some(network) = request.network() {
        copy = copy.with_network(network);
    }
    if let Some(platform) = request.platform() {
        copy = copy.with_platform(platform);
    }
    if let Some(hostname) = request.hostname() {
        copy = copy.with_hostname(hostname);
    }
    if let Some(mode) = request.cgroupns_mode() {
        copy = copy.with_cgroupns_mode(mode);
    }
    if let Some(mode) = request.userns_mode() {
        copy = copy.with_userns_mode(mode);
    }
    if let Some(bytes) = request.shm_size() {
        copy = copy.with_shm_size(bytes);
    }
    if let Some(directory) = request.working_dir() {
        copy = copy.with_working_dir(directory);
    }
    if let Some(user) = request.user() {
        copy = copy.with_user(user);
    }
    if let Some(check) = request.health_check() {
        copy = copy.with_health_check(check.clone());
    }
    if let Some(open) = request.open_stdin() {
        copy = copy.with_open_stdin(open);
    }
    copy
}
