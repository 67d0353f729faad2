//! Which way to an engine is taken.

use super::any::Engine;
use super::identity::context;
#[cfg(feature = "testcontainers")]
use super::library::Library;
use super::program::{Program, find};
use super::way::Way;
use crate::config::Config;
use crate::{Error, Result};

/// Returns the engine that the environment names, or the first one that answers.
pub(crate) async fn connect(config: &Config) -> Result<Engine> {
    if let Some(way) = Way::forced(config)? {
        return take(config, way).await.map_err(|error| match error.help() {
            Some(_) => error,
            None => error.with_help(format!(
                "CONTAINER_TEST_ENGINE asks for `{}`: start an engine that it reaches, or unset the \
                 variable",
                way.name()
            )),
        });
    }
    let mut failure: Option<Error> = None;
    for way in ways(config) {
        match take(config, way).await {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                failure = Some(match failure {
                    Some(first) => first.note(error.report()),
                    None => error,
                });
            }
        }
    }
    Err(failure.unwrap_or_else(no_program))
}

async fn take(config: &Config, way: Way) -> Result<Engine> {
    match way {
        #[cfg(feature = "testcontainers")]
        Way::Library => Library::connect(config).await.map(Engine::Library),
        #[cfg(not(feature = "testcontainers"))]
        Way::Library => Err(no_program()),
        program => Program::connect(config, program).await.map(Engine::Program),
    }
}

/// Returns the ways that may lead to an engine, in the order in which they are tried.
fn ways(config: &Config) -> Vec<Way> {
    let leads = |way: &Way| match way {
        Way::Library => cfg!(feature = "testcontainers"),
        Way::Docker if cfg!(feature = "testcontainers") => {
            // It finds the same as the library, unless one of these leads elsewhere.
            let other_host = config
                .docker_host()
                .is_some_and(|host| !host.starts_with("unix:"));
            let more = other_host || context(config).is_some();
            more && find(config, way.name()).is_some()
        }
        Way::Docker => find(config, way.name()).is_some(),
        // `DOCKER_HOST` names an engine of Docker.
        Way::Podman | Way::Nerdctl => {
            config.docker_host().is_none() && find(config, way.name()).is_some()
        }
    };
    Way::ALL.into_iter().filter(leads).collect()
}

fn no_program() -> Error {
    Error::new("reach a container engine")
        .because("there is no `docker`, `podman` or `nerdctl` in PATH")
        .with_help(
            "install one of them, or turn on the feature `testcontainers` of container-test, which \
             needs no program",
        )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::super::program::fake;
    use super::*;

    fn machine(programs: &[&str], variables: &[(&str, &str)]) -> (tempfile::TempDir, Config) {
        fake::machine(programs, "echo 'no engine' >&2; exit 1", variables)
    }

    fn names(programs: &[&str], variables: &[(&str, &str)]) -> Vec<&'static str> {
        let (_directory, config) = machine(programs, variables);
        ways(&config).into_iter().map(Way::name).collect()
    }

    #[test]
    fn programs_that_the_machine_has_are_tried_after_the_library() {
        let library: &[&str] = if cfg!(feature = "testcontainers") {
            &["library"]
        } else {
            &[]
        };
        let after = |programs: &[&'static str]| [library, programs].concat();
        assert_eq!(names(&[], &[]), after(&[]));
        assert_eq!(
            names(&["nerdctl", "podman"], &[]),
            after(&["podman", "nerdctl"])
        );
        let far = [("DOCKER_CONTEXT", "far")];
        assert_eq!(names(&["docker"], &far), after(&["docker"]));
        let far = [("DOCKER_HOST", "ssh://ada@far")];
        assert_eq!(names(&["docker", "podman"], &far), after(&["docker"]));
    }

    #[cfg(feature = "testcontainers")]
    #[test]
    fn docker_is_not_asked_for_the_engine_that_the_library_has_not_found() {
        assert_eq!(names(&["docker"], &[]), ["library"]);
        let same = [("DOCKER_HOST", "unix:///run/docker.sock")];
        assert_eq!(names(&["docker"], &same), ["library"]);
    }

    async fn refusal(programs: &[&str], variables: &[(&str, &str)]) -> String {
        let (_directory, config) = machine(programs, variables);
        connect(&config).await.err().unwrap().report()
    }

    #[tokio::test]
    async fn a_forced_way_is_the_only_one() {
        let podman = [("CONTAINER_TEST_ENGINE", "podman")];
        let report = refusal(&["docker", "podman"], &podman).await;
        assert!(report.contains("through the program `podman`"), "{report}");
        assert!(report.contains("because: no engine"), "{report}");
        assert!(!report.contains("docker`"), "{report}");
        let report = refusal(&["docker"], &podman).await;
        assert!(report.contains("there is no `podman` in PATH"), "{report}");
        assert!(report.contains("CONTAINER_TEST_ENGINE asks"), "{report}");
    }

    #[tokio::test]
    async fn an_unknown_way_is_refused() {
        let report = refusal(&["docker"], &[("CONTAINER_TEST_ENGINE", "dockerd")]).await;
        assert!(
            report.contains("`dockerd` is no way to an engine"),
            "{report}"
        );
        assert!(report.contains("write `library`, `docker`"), "{report}");
    }

    #[cfg(not(feature = "testcontainers"))]
    #[tokio::test]
    async fn without_the_feature_programs_are_needed() {
        let report = refusal(&[], &[]).await;
        assert!(report.contains("the feature `testcontainers`"), "{report}");
        let report = refusal(&[], &[("CONTAINER_TEST_ENGINE", "library")]).await;
        assert!(
            report.contains("needs the feature `testcontainers`"),
            "{report}"
        );
    }
}
