//! A container that runs: its ports, its log, and programs in it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecResults};
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;

use crate::provider::docker::engine::{Container, Library};
use crate::provider::docker::reach::Reach;
use crate::{Error, Result};

/// What a program in a container has left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// The program's exit code.
    pub code: i64,
    /// What it wrote to its standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to its standard error, likewise.
    pub stderr: String,
}

/// A container that runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    engine: Library,
    pub(crate) id: String,
    /// The image's name and tag, as the request has them.
    pub(crate) image: String,
    /// The host that published ports are reached at; an IPv6 address has no brackets.
    pub(crate) host: String,
    /// Published ports by ports of the container, such as `6379/tcp`.
    ports: BTreeMap<String, u16>,
}

impl Running {
    /// Returns a container as the engine knows it.
    pub(super) fn new(
        engine: &Library,
        reach: &Reach,
        image: String,
        inspected: Container,
    ) -> Self {
        Self {
            engine: engine.clone(),
            id: inspected.id,
            image,
            host: reach.connect_to.clone(),
            ports: inspected.ports,
        }
    }

    /// Returns the port that a port of the container is published at: TCP, or another protocol if
    /// there is no TCP port of that number.
    ///
    /// # Errors
    ///
    /// If the container exposes no such port.
    pub(crate) fn port(&self, port: u16) -> Result<u16> {
        let protocols = ["tcp", "udp", "sctp"].iter();
        let mut published = protocols.filter_map(|name| self.ports.get(&format!("{port}/{name}")));
        published.next().copied().ok_or_else(|| {
            let exposed: Vec<&str> = self.ports.keys().map(String::as_str).collect();
            let exposed = match exposed.as_slice() {
                [] => "it exposes no port".to_owned(),
                _ => format!("it exposes {}", exposed.join(", ")),
            };
            Error::new(format!(
                "find port {port} of the container of {}",
                self.image
            ))
            .because(exposed)
            .with_help(format!(
                "use one of its ports, or add `.with_exposed_port({port}.tcp())` to the image"
            ))
        })
    }

    /// Returns the beginning of the id, as `docker ps` shows it.
    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Returns the published ports, for people.
    pub(crate) fn published(&self) -> String {
        let ports = self
            .ports
            .iter()
            .map(|(port, at)| format!("{port} at {}:{at}", self.host));
        ports.collect::<Vec<_>>().join(", ")
    }

    /// Runs a program in the container, and returns what it has left.
    pub(crate) async fn exec(&self, command: Vec<String>) -> Result<ExecOutput> {
        let written = command.join(" ");
        let failed = |error| {
            Error::new(format!(
                "run `{written}` in the container of {}",
                self.image
            ))
            .because(error)
        };
        let options = CreateExecOptions {
            cmd: Some(command.clone()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let api = self.engine.api();
        let created = api.create_exec(&self.id, options).await.map_err(failed)?;
        let started = api.start_exec(&created.id, None).await.map_err(failed)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(part) = output.next().await {
                match part.map_err(failed)? {
                    LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                    part => stdout.extend_from_slice(&part.into_bytes()),
                }
            }
        }
        let inspected = api.inspect_exec(&created.id).await.map_err(failed)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let output = ExecOutput {
            code: inspected.exit_code.unwrap_or_default(),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        // Where the program does not start, the engine's own words come as its output.
        let engine_says = [&output.stdout, &output.stderr]
            .into_iter()
            .find(|text| text.contains("exec failed"));
        match engine_says {
            Some(text) if matches!(output.code, 126 | 127) => Err(Error::new(format!(
                "run `{written}` in the container of {}",
                self.image
            ))
            .because(text.trim().to_owned())
            .with_help("name a program that the image has; some images have no shell")),
            _ => Ok(output),
        }
    }

    /// Returns what the container has written to both its outputs since a time, in seconds since
    /// 1970; of these so many last lines, or all.
    pub(crate) async fn log(&self, since: i32, lines: Option<usize>) -> Result<String> {
        let tail = lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .since(since)
            .tail(&tail)
            .build();
        let mut log = std::pin::pin!(self.engine.api().logs(&self.id, Some(options)));
        let mut bytes = Vec::new();
        while let Some(part) = log.next().await {
            let part = part.map_err(|error| {
                Error::new(format!("read the log of the container of {}", self.image))
                    .because(error)
            })?;
            bytes.extend_from_slice(&part.into_bytes());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Removes the container.
    pub(crate) async fn remove(&self) {
        self.engine.remove(&self.id).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_exposed_is_answered_with_those_that_are() {
        let mut running = Running {
            engine: Library::unreachable(),
            id: "id".to_owned(),
            image: "nats:2-alpine".to_owned(),
            host: "127.0.0.1".to_owned(),
            ports: BTreeMap::from([
                ("4222/tcp".to_owned(), 40_000),
                ("53/udp".to_owned(), 40_001),
            ]),
        };
        assert_eq!(running.port(4222).unwrap(), 40_000);
        assert_eq!(running.port(53).unwrap(), 40_001);
        let report = running.port(80).unwrap_err().report();
        assert!(report.contains("it exposes 4222/tcp, 53/udp"), "{report}");
        assert!(report.contains("with_exposed_port(80.tcp())"), "{report}");
        running.ports.clear();
        let report = running.port(80).unwrap_err().report();
        assert!(report.contains("it exposes no port"), "{report}");
    }
}
