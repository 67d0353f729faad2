//! Which providers of a service can be used: each is tried, whether an earlier one can or not.

use std::sync::Arc;

use super::docker::connect;
use super::external::{self, SilentServers};
use super::local;
use super::request::Request;
use crate::config::{Config, url_variable};
use crate::service::{Endpoint, OpenError, ServerSpec};
use crate::{Error, Result};

/// What is known of a provider for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its name in `CONTAINER_TEST_PROVIDER`.
    pub provider: &'static str,
    /// Whether the service can run on it.
    pub usable: bool,
    /// Why, or why not.
    pub reason: String,
    /// What to do so that it can be used.
    pub fix: Option<String>,
}

/// Examines the providers of a service, in the order in which they are tried.
pub(super) async fn examine<T, C, F>(
    config: &Arc<Config>,
    spec: &ServerSpec,
    open: C,
) -> Result<Vec<Examined>>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let mut found = Vec::new();
    for provider in ["external", "docker", "local"] {
        let usable = match (config.provider(), provider) {
            (Some(forced), _) if forced != provider => {
                Err(Error::new(format!("use the provider {provider}"))
                    .because(format!("CONTAINER_TEST_PROVIDER is `{forced}`"))
                    .with_help("unset CONTAINER_TEST_PROVIDER"))
            }
            (_, "external") => external(config, spec, &open).await,
            (_, "docker") => docker(config).await,
            _ => local::find(config, spec)
                .map(|programs| format!("programs in {}", programs.directory().display())),
        };
        found.push(match usable {
            Ok(reason) => Examined {
                provider,
                usable: true,
                reason,
                fix: None,
            },
            Err(error) => {
                let (reason, fix) = error.words().without_help();
                Examined {
                    provider,
                    usable: false,
                    reason,
                    fix,
                }
            }
        });
    }
    Ok(found)
}

async fn external<T, C, F>(config: &Arc<Config>, spec: &ServerSpec, open: C) -> Result<String>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let variable = url_variable(spec.service);
    let Some(url) = config.variable(&variable).map(str::to_owned) else {
        return Err(Error::new(format!("find a server for {}", spec.service))
            .because(format!("{variable} is not set"))
            .with_help(format!("set {variable} to the URL of a server for tests")));
    };
    let request = Request::new(spec, config)?;
    let silent = SilentServers::default();
    let (endpoint, _) = external::provide(&request, url, &silent, open).await?;
    Ok(format!("{variable} is set: {}", endpoint.description()))
}

async fn docker(config: &Config) -> Result<String> {
    let connected = connect(config).await;
    let engine = connected.map_err(|error| {
        error.with_help(
            "start Docker (or Podman's Docker-compatible service), or set DOCKER_HOST to an engine \
             that runs",
        )
    })?;
    Ok(format!("an engine answers {}", engine.way().description()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    async fn examined(variables: &[(&str, &str)]) -> Vec<Examined> {
        let config = Arc::new(Config::with(variables));
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        spec.startup_timeout = std::time::Duration::ZERO;
        let open = async |_| Err::<(), _>(OpenError::fatal("no room"));
        examine(&config, &spec, open).await.unwrap()
    }

    #[tokio::test]
    async fn every_provider_says_why_it_cannot_be_used_and_what_to_do() {
        let forced = [("CONTAINER_TEST_PROVIDER", "external")];
        let found = examined(&forced).await;
        assert_eq!(
            found[0],
            Examined {
                provider: "external",
                usable: false,
                reason: "failed to find a server for nats\n  \
                         because: CONTAINER_TEST_NATS_URL is not set"
                    .to_owned(),
                fix: Some(
                    "set CONTAINER_TEST_NATS_URL to the URL of a server for tests".to_owned()
                ),
            }
        );
        for (found, provider) in found[1..].iter().zip(["docker", "local"]) {
            assert_eq!((found.provider, found.usable), (provider, false));
            assert_eq!(found.fix.as_deref(), Some("unset CONTAINER_TEST_PROVIDER"));
        }
    }

    #[tokio::test]
    async fn a_server_given_by_url_is_connected_to_and_its_password_is_not_shown() {
        let url = "nats://me:secret@127.0.0.1:1";
        let variables = [
            ("CONTAINER_TEST_NATS_URL", url),
            ("CONTAINER_TEST_PROVIDER", "external"),
        ];
        let found = examined(&variables).await;
        assert!(found[0].reason.contains("because: no room"), "{found:?}");
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
    }
}
