//! How a container is created, beside what its request says.

use std::collections::HashMap;
use std::time::Duration;

use testcontainers::bollard::models::{HostConfig, PortBinding};
use tokio::sync::oneshot;

use super::settings::Wishes;
use crate::lifecycle::watchdog;
use crate::provider::docker::engine::Image;
use crate::{Error, Result};

/// Seconds that the first lease may take. It is taken as soon as the container runs.
const FIRST_LEASE: u64 = 15;

/// How a container is created, beside what its request says.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    /// Name and tag of the image, with a prefix for Docker Hub.
    pub(super) image: (String, String),
    pub(super) labels: Vec<(String, String)>,
    /// What the container runs in place of the image's program: the watchdog, with that program
    /// under it.
    pub(super) watchdog: Option<Vec<String>>,
    pub(super) publish: Publish,
    pub(super) startup_timeout: Duration,
    /// Told when the container runs, ready or not.
    pub(super) running: oneshot::Sender<()>,
}

/// Returns the arguments with which `sh` runs the image's program under the watchdog.
pub(super) fn under_watchdog(
    wishes: &Wishes,
    image: &Image,
    token: &str,
    idle: Duration,
) -> Result<Vec<String>> {
    let stop = image.stop_signal.as_deref().unwrap_or_default();
    let stop = stop.strip_prefix("SIG").unwrap_or(stop);
    let mut run = vec![
        "-c".to_owned(),
        watchdog::SCRIPT.to_owned(),
        "container-test-watchdog".to_owned(),
        watchdog::leases(token),
        idle.as_secs().to_string(),
        FIRST_LEASE.to_string(),
        if stop.is_empty() { "TERM" } else { stop }.to_owned(),
        // The engine removes the container; there is no directory to remove.
        String::new(),
    ];
    let program = program(wishes, image);
    if program.is_empty() {
        return Err(Error::new("start a container")
            .because("its image has neither an entrypoint nor a command")
            .with_help("say what to run in it: `.with_cmd([\"…\"])`"));
    }
    run.extend(program);
    Ok(run)
}

/// Returns the container's program and its arguments, as the engine would put them together.
fn program(wishes: &Wishes, image: &Image) -> Vec<String> {
    let command = wishes.command.clone();
    if let Some(entrypoint) = &wishes.entrypoint {
        return std::iter::once(entrypoint.clone()).chain(command).collect();
    }
    let mut program = image.entrypoint.clone();
    program.extend(if command.is_empty() {
        image.cmd.clone()
    } else {
        command
    });
    program
}

/// How ports are published.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    /// The address that the engine publishes on.
    pub(super) on: String,
    /// The ports to publish where the request names none: `6379/tcp`.
    pub(super) ports: Vec<String>,
    /// Whether the engine removes the container when it ends.
    pub(super) auto_remove: bool,
}

impl Publish {
    /// Publishes ports at this address only, unless the request names another one itself.
    pub(super) fn adjust(&self, host: &mut HostConfig) {
        host.auto_remove = Some(self.auto_remove);
        let bindings = host.port_bindings.get_or_insert_with(HashMap::new);
        if host.publish_all_ports.take() == Some(true) {
            for port in &self.ports {
                let free = PortBinding {
                    host_ip: None,
                    host_port: None,
                };
                bindings
                    .entry(port.clone())
                    .or_insert_with(|| Some(vec![free]));
            }
        }
        for binding in bindings.values_mut().flatten().flatten() {
            let address = &mut binding.host_ip;
            if address.as_deref().unwrap_or_default().is_empty() {
                *address = Some(self.on.clone());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn run_of(entrypoint: Option<&str>, command: &str) -> String {
        let wishes = Wishes {
            entrypoint: entrypoint.map(str::to_owned),
            command: words(command),
            ports: Vec::new(),
            platform: None,
            network: None,
            name: None,
            startup_timeout: None,
            ends: false,
        };
        let image = Image {
            entrypoint: words("entrypoint.sh"),
            cmd: words("serve --all"),
            stop_signal: Some("SIGQUIT".to_owned()),
            ..Image::default()
        };
        let run = under_watchdog(&wishes, &image, "abc", Duration::from_secs(2)).unwrap();
        run[3..].join(" ")
    }

    #[test]
    fn the_images_program_runs_unless_the_request_replaces_it() {
        let watchdog = "lease:abc 2 15 QUIT ";
        for (entrypoint, command, program) in [
            (None, "", "entrypoint.sh serve --all"),
            (None, "serve --one", "entrypoint.sh serve --one"),
            (Some("other"), "", "other"),
            (Some("other"), "serve", "other serve"),
        ] {
            assert_eq!(run_of(entrypoint, command), format!("{watchdog} {program}"));
        }
    }

    #[test]
    fn ports_are_published_at_the_given_address_only() {
        let publish = Publish {
            on: "127.0.0.1".to_owned(),
            ports: words("6379/tcp 53/udp"),
            auto_remove: true,
        };
        let mut host = HostConfig {
            publish_all_ports: Some(true),
            ..HostConfig::default()
        };
        publish.adjust(&mut host);
        let at = |host: &HostConfig, port: &str| {
            let bindings = host.port_bindings.clone().unwrap();
            let first = bindings[port].clone().unwrap().remove(0);
            (first.host_ip.unwrap(), first.host_port)
        };
        assert_eq!(at(&host, "6379/tcp"), ("127.0.0.1".to_owned(), None));
        assert_eq!(at(&host, "53/udp"), ("127.0.0.1".to_owned(), None));
        assert_eq!(
            (host.publish_all_ports, host.auto_remove),
            (None, Some(true))
        );

        let binding = |address: Option<&str>| PortBinding {
            host_ip: address.map(str::to_owned),
            host_port: Some("8080".to_owned()),
        };
        let mut host = HostConfig {
            port_bindings: Some(HashMap::from([
                ("80/tcp".to_owned(), Some(vec![binding(None)])),
                ("81/tcp".to_owned(), Some(vec![binding(Some("0.0.0.0"))])),
            ])),
            ..HostConfig::default()
        };
        publish.adjust(&mut host);
        let fixed = |address: &str| (address.to_owned(), Some("8080".to_owned()));
        assert_eq!(at(&host, "80/tcp"), fixed("127.0.0.1"));
        assert_eq!(at(&host, "81/tcp"), fixed("0.0.0.0"));
        assert_eq!(host.port_bindings.unwrap().len(), 2);
    }
}
