//! Providers: where servers come from.

mod docker;
mod examine;
mod external;
mod local;
mod look;
mod machine;
mod placeholders;
mod request;
mod running;
mod running_server;
mod select;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::OnceCell;

use self::docker::Engine;
#[cfg(feature = "testcontainers")]
pub use self::docker::{ContainerImage, ExecOutput};
#[cfg(feature = "testcontainers")]
pub(crate) use self::docker::{Containers, ImageRequest, Own, Running};
pub use self::examine::Examined;
use self::external::SilentServers;
pub use self::machine::{FoundCache, FoundEngine, FoundImage, FoundProgram, Left, Machine, Room};
use self::request::Request;
pub use self::running_server::{RunningServer, RunningTest};
use self::select::Choice;
use crate::config::Config;
use crate::lifecycle::Failures;
use crate::record::{self, Step};
use crate::service::{Endpoint, OpenError, ServerSpec};
use crate::{Error, Result, report};

/// Finds and starts servers. One per process: it holds what the process has learnt about them.
#[derive(Debug)]
pub(crate) struct Providers {
    config: Arc<Config>,
    silent: SilentServers,
    /// The engine, once it has answered.
    engine: OnceCell<Engine>,
}

impl Providers {
    /// Returns providers that follow this configuration.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            silent: SilentServers::default(),
            engine: OnceCell::new(),
        }
    }

    /// Finds or starts a server and waits until `open` succeeds on it. Returns how it is reached,
    /// and what `open` has returned: that has the connection which keeps the server running.
    ///
    /// Every call with an exclusive spec starts another server.
    pub(crate) async fn provide<T, C, F>(&self, spec: &ServerSpec, open: C) -> Result<(Endpoint, T)>
    where
        C: Fn(Endpoint) -> F,
        F: Future<Output = Result<T, OpenError>>,
    {
        let service = spec.service;
        if spec.without_server {
            let endpoint = Endpoint::of_no_server();
            let opened = open(endpoint.clone()).await;
            let failed = |error: OpenError| {
                Error::new(format!("open {service}")).because(error.into_cause())
            };
            return Ok((endpoint, opened.map_err(failed)?));
        }
        let request = Arc::new(Request::new(spec, &self.config)?);
        if select::may_be_docker(&self.config, service)
            && let Some((endpoint, opened)) = docker::join_cached(&request, &open).await
        {
            self.announce(service, &endpoint, "docker", "its address is cached");
            return Ok((endpoint, opened));
        }
        let choose = select::choose(&self.config, &self.engine, spec);
        let choice = record::step(Step::Provider, service, choose).await?;
        let (provider, reason) = (choice.name(), choice.reason());
        let provide = async {
            match choice {
                Choice::External { url, .. } => {
                    Box::pin(external::provide(&request, url, &self.silent, open)).await
                }
                Choice::Docker { engine, .. } => {
                    Box::pin(docker::provide(&request, engine, open)).await
                }
                Choice::Local { programs, .. } => {
                    Box::pin(local::provide(&request, &programs, open)).await
                }
            }
        };
        let waiting = || format!("waiting for a {service} server (provider {provider}: {reason})");
        let provided = report::waiting(waiting, provide).await;
        match provided {
            Ok((endpoint, opened)) => {
                self.announce(service, &endpoint, provider, &reason);
                Ok((endpoint, opened))
            }
            Err(error) => {
                Err(error.note(format!("service {service}, provider {provider}: {reason}")))
            }
        }
    }

    /// Returns the servers that run.
    pub(crate) async fn running(&self, specs: &[ServerSpec]) -> Result<Vec<RunningServer>> {
        running::running(&self.config, specs).await
    }

    /// Examines which providers of a server can be used.
    pub(crate) async fn examine<T, C, F>(&self, spec: &ServerSpec, open: C) -> Result<Vec<Examined>>
    where
        C: Fn(Endpoint) -> F,
        F: Future<Output = Result<T, OpenError>>,
    {
        examine::examine(&self.config, spec, open).await
    }

    /// Looks at what the machine has for these servers.
    pub(crate) async fn machine(&self, specs: &[ServerSpec]) -> Result<Machine> {
        look::look(&self.config, specs).await
    }

    /// Prints what a service runs on, if the environment asks for that.
    fn announce(&self, service: &str, endpoint: &Endpoint, provider: &str, reason: &str) {
        if self.config.verbose() {
            let server = endpoint.description();
            report::progress(&format!(
                "{service}: {server} (provider {provider}: {reason})"
            ));
        }
    }
}

/// Returns the containers of the engine, for a service that starts them itself.
///
/// # Errors
///
/// If no engine answers, or the environment wants another provider.
#[cfg(feature = "testcontainers")]
pub(crate) async fn containers(
    config: &Arc<Config>,
    failures: &Arc<Failures>,
) -> Result<Containers> {
    let engine = select::engine(config).await?;
    Ok(Containers::new(engine, config, failures).await)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_can_be_provided_on_another_thread() {
        let config = Config::with(&[("CONTAINER_TEST_NATS_URL", "nats://127.0.0.1:1")]);
        let providers = Providers::new(Arc::new(config));
        let spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        let provide = async move { providers.provide(&spec, |_| async { Ok(7) }).await };
        let (endpoint, opened) = tokio::spawn(provide).await.unwrap().unwrap();
        assert_eq!(opened, 7);
        assert!(endpoint.outlives_tests());
        assert_eq!(endpoint.description(), "server nats://127.0.0.1:1");
    }

    #[tokio::test]
    async fn a_service_without_a_local_program_says_so() {
        let config = Config::with(&[("CONTAINER_TEST_PROVIDER", "local")]);
        let providers = Providers::new(Arc::new(config));
        let spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        let provided = providers.provide(&spec, |_| async { Ok(()) }).await;
        let report = provided.unwrap_err().report();
        assert!(report.contains("runs in containers only"), "{report}");
    }

    #[tokio::test]
    async fn a_service_without_a_server_is_opened_without_any_provider() {
        let config = Config::with(&[("CONTAINER_TEST_PROVIDER", "local")]);
        let providers = Providers::new(Arc::new(config));
        let spec = ServerSpec::without_server("fake");
        let (endpoint, opened) = providers.provide(&spec, |_| async { Ok(7) }).await.unwrap();
        assert_eq!(opened, 7);
        assert!(
            endpoint.outlives_tests(),
            "tests wait until a slot is released"
        );
        assert_eq!(endpoint.description(), "");
    }

    #[cfg(feature = "testcontainers")]
    #[tokio::test]
    async fn containers_need_an_engine_and_the_environment_may_not_want_one() {
        for provider in ["local", "external"] {
            let config = Arc::new(Config::with(&[("CONTAINER_TEST_PROVIDER", provider)]));
            let failures = Arc::new(Failures::new(&config));
            let refused = containers(&config, &failures).await;
            let report = refused.err().unwrap().report();
            assert!(
                report.contains("`container(…)` needs a Docker engine"),
                "{report}"
            );
            assert!(report.contains(&format!("`{provider}`")), "{report}");
        }
    }
}
