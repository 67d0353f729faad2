//! Which engine the environment names.

use std::fs;

use serde_json::Value;

use crate::config::Config;

/// Returns a text that differs wherever the environment names another engine; nothing if it names
/// none.
pub(crate) fn identity(config: &Config) -> String {
    let context = context(config);
    let named = [
        ("engine", config.engine()),
        ("host", config.docker_host()),
        ("context", context.as_deref()),
        ("podman", config.podman_host()),
        ("connection", config.podman_connection()),
        ("override", config.host_override().as_deref()),
    ]
    .map(|(name, value)| value.map(|value| format!("{name} {value}\n")));
    named.into_iter().flatten().collect()
}

/// Returns the context that the program `docker` uses, if it is not the default one.
pub(super) fn context(config: &Config) -> Option<String> {
    // The variable `DOCKER_HOST` stands above the current context.
    if config.docker_host().is_some() {
        return None;
    }
    let named = config.docker_context().map(str::to_owned);
    let context = named.or_else(|| current_context(config))?;
    (!context.is_empty() && context != "default").then_some(context)
}

/// Returns the context in the settings of `docker`.
fn current_context(config: &Config) -> Option<String> {
    let settings = config.docker_config()?.join("config.json");
    let settings = fs::read_to_string(settings).ok()?;
    let settings: Value = serde_json::from_str(&settings).ok()?;
    Some(settings.get("currentContext")?.as_str()?.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_what_the_docker_program_would_use() {
        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().to_str().unwrap();
        let of = |variables: &[(&str, &str)]| {
            let variables = [&[("DOCKER_CONFIG", settings)], variables].concat();
            context(&Config::with(&variables))
        };
        assert_eq!(of(&[]), None);
        let file = directory.path().join("config.json");
        fs::write(file, r#"{"auths": {}, "currentContext": "colima"}"#).unwrap();
        assert_eq!(of(&[]).as_deref(), Some("colima"));
        assert_eq!(of(&[("DOCKER_CONTEXT", "far")]).as_deref(), Some("far"));
        assert_eq!(of(&[("DOCKER_CONTEXT", "default")]), None);
        assert_eq!(of(&[("DOCKER_HOST", "unix:///run/docker.sock")]), None);
    }

    #[test]
    fn every_engine_that_the_environment_may_name_has_an_identity_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().to_str().unwrap();
        let of = |name: &'static str, value: &str| {
            identity(&Config::with(&[("DOCKER_CONFIG", settings), (name, value)]))
        };
        assert_eq!(of("USER", "ada"), "");
        let mut identities = [
            of("CONTAINER_TEST_ENGINE", "docker"),
            of("DOCKER_HOST", "tcp://10.0.0.7"),
            of("DOCKER_CONTEXT", "far"),
            of("CONTAINER_HOST", "ssh://ada@far"),
            of("CONTAINER_CONNECTION", "far"),
            of("TESTCONTAINERS_HOST_OVERRIDE", "10.0.0.7"),
            String::new(),
        ];
        identities.sort();
        assert!(
            identities.windows(2).all(|pair| pair[0] != pair[1]),
            "{identities:?}"
        );
    }
}
