//! What tells one container from another: tests whose requests are equal may share one.

use std::fmt::Debug;

use testcontainers::{ContainerRequest, Image};

use crate::{Error, Result};

/// Returns everything that a request lets others read. The type of the image stands for what it
/// runs once the container is started.
pub(super) fn of<I: Image>(request: &ContainerRequest<I>) -> Result<Vec<String>> {
    if request.host_config_modifier().is_some() {
        return Err(incomparable(
            request,
            "it has a `with_host_config_modifier`, and two functions cannot be compared",
            "set by the other methods of the request what it sets, or leave `shared` out",
        ));
    }
    if request.container_name().is_some() {
        return Err(incomparable(
            request,
            "it names its container, and a shared container has a name that all processes derive",
            "leave `with_container_name` or `shared` out",
        ));
    }
    let copies: Vec<String> = request
        .copy_to_sources()
        .map(|copy| format!("{copy:?}"))
        .collect();
    // The content of the file or directory may change while the container runs.
    if copies.iter().any(|copy| copy.contains("source: File(")) {
        return Err(incomparable(
            request,
            "it copies a file by its path, and the content cannot be compared",
            "give the content: `with_copy_to(target, include_bytes!(\"…\").to_vec())`",
        ));
    }
    let mut environment: Vec<String> = request
        .env_vars()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    // The last value of a variable applies: the order of others makes no difference.
    environment.sort_by(|one, other| variable(one).cmp(variable(other)));
    let mut hosts: Vec<String> = request
        .hosts()
        .map(|(name, host)| format!("{name}:{host}"))
        .collect();
    hosts.sort();
    let text = |value: &dyn Debug| format!("{value:?}");
    Ok(vec![
        std::any::type_name::<I>().to_owned(),
        request.descriptor(),
        text(&environment),
        text(&request.entrypoint()),
        text(&request.cmd().collect::<Vec<_>>()),
        text(&request.expose_ports()),
        text(&request.ports()),
        text(&request.mounts().collect::<Vec<_>>()),
        text(&copies),
        text(&hosts),
        text(&request.ready_conditions()),
        text(&request.labels()),
        text(&(request.network(), request.platform(), request.hostname())),
        text(&(request.privileged(), request.readonly_rootfs())),
        text(&(
            request.cap_add(),
            request.cap_drop(),
            request.security_opts(),
        )),
        text(&(
            request.cgroupns_mode(),
            request.userns_mode(),
            request.shm_size(),
        )),
        text(&(request.working_dir(), request.user(), request.open_stdin())),
        text(&request.health_check()),
    ])
}

fn variable(pair: &str) -> &str {
    pair.split('=').next().unwrap_or(pair)
}

fn incomparable<I: Image>(request: &ContainerRequest<I>, cause: &str, help: &str) -> Error {
    Error::new(format!("share a container of {}", request.descriptor()))
        .because(cause)
        .with_help(help)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::path::Path;

    use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
    use testcontainers::{GenericImage, ImageExt};

    use super::*;

    type Request = ContainerRequest<GenericImage>;

    fn image() -> GenericImage {
        GenericImage::new("nats", "2-alpine")
    }

    #[test]
    fn what_makes_a_difference_is_in_the_identity() {
        let plain: Request = image().into();
        assert_eq!(of(&plain).unwrap(), of(&image().into()).unwrap());
        let requests: [Request; 12] = [
            plain,
            image().with_tag("3-alpine"),
            image().with_env_var("A", "1"),
            image().with_env_var("A", "2"),
            image().with_cmd(["--jetstream"]),
            image().with_entrypoint("nats-server").into(),
            image().with_exposed_port(4222.tcp()).into(),
            image().with_mapped_port(4222, 4222.tcp()),
            image().with_mount(Mount::tmpfs_mount("/data")),
            image().with_copy_to("/a", b"1".to_vec()),
            image().with_copy_to("/a", b"2".to_vec()),
            image()
                .with_wait_for(WaitFor::message_on_stderr("Ready"))
                .into(),
        ];
        let mut identities: Vec<_> = requests
            .iter()
            .map(|request| of(request).unwrap())
            .collect();
        identities.sort();
        identities.dedup();
        assert_eq!(identities.len(), requests.len());
    }

    #[test]
    fn the_order_of_variables_makes_no_difference() {
        let one = image().with_env_var("A", "1").with_env_var("B", "2");
        let other = image().with_env_var("B", "2").with_env_var("A", "1");
        assert_eq!(of(&one).unwrap(), of(&other).unwrap());
    }

    #[test]
    fn what_cannot_be_compared_cannot_be_shared() {
        let requests: [(Request, &str); 3] = [
            (
                image().with_host_config_modifier(|_| {}),
                "with_host_config_modifier",
            ),
            (
                image().with_copy_to("/a", Path::new("/etc/hosts")),
                "include_bytes!",
            ),
            (image().with_container_name("nats"), "with_container_name"),
        ];
        for (request, part) in requests {
            let report = of(&request).unwrap_err().report();
            assert!(
                report.starts_with("failed to share a container of nats:2-alpine"),
                "{report}"
            );
            assert!(report.contains(part), "{report}");
        }
    }
}
