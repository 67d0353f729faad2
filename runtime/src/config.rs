//! What the environment says; the only file that reads environment variables.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Result};

/// A variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The directory of the crate under test: where Cargo says it is now, so that relocated test
/// archives find their files, else where it was compiled.
pub(crate) fn crate_directory(compiled: &str) -> PathBuf {
    variable("CARGO_MANIFEST_DIR").map_or_else(|| compiled.into(), PathBuf::from)
}

/// `TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX`: put before the names of images from Docker Hub.
pub(crate) fn image_prefix() -> Option<String> {
    variable("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX")
}

/// `CONTAINER_TEST_IDLE`: how long a server stays when nobody is connected; 10 s by default.
pub(crate) fn idle() -> Result<Duration> {
    let Some(text) = variable("CONTAINER_TEST_IDLE") else {
        return Ok(Duration::from_secs(10));
    };
    let (number, scale) = match text.trim().strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.trim().trim_end_matches('s'), 1),
    };
    match number.parse::<u32>() {
        Ok(number @ 1..) => Ok(Duration::from_secs(u64::from(number) * scale)),
        _ => Err(Error::new("read CONTAINER_TEST_IDLE")
            .because(format!("`{text}` is not a time"))
            .with_help("write whole seconds or minutes, such as `30s` or `10m`")),
    }
}

/// `CONTAINER_TEST_KEEP`: whether the database of a failed test is kept.
pub(crate) fn keep_failed() -> bool {
    flag("CONTAINER_TEST_KEEP")
}

/// The host that the engine's published ports are reached at, if the environment names it:
/// `TESTCONTAINERS_HOST_OVERRIDE`, or the host in `DOCKER_HOST`.
pub(crate) fn engine_host() -> Option<String> {
    variable("TESTCONTAINERS_HOST_OVERRIDE").or_else(|| host_of(&variable("DOCKER_HOST")?))
}

/// Whether this process runs in a container.
pub(crate) fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|mark| std::path::Path::new(mark).exists())
}

/// `CONTAINER_TEST_PROVIDER`: the provider of all services, instead of the first that is there.
pub(crate) fn provider() -> Option<String> {
    variable("CONTAINER_TEST_PROVIDER")
}

/// `CONTAINER_TEST_POSTGRES_URL`, `CONTAINER_TEST_REDIS_URL`: a server that runs already.
pub(crate) fn server_url(name: &str) -> Option<String> {
    variable(name)
}

/// `NEXTEST`: whether this process runs but one test, as nextest's do.
pub(crate) fn one_test_per_process() -> bool {
    flag("NEXTEST")
}

/// `CONTAINER_TEST_VERBOSE`: whether to say what each service runs on.
pub(crate) fn verbose() -> bool {
    flag("CONTAINER_TEST_VERBOSE")
}

/// `CONTAINER_TEST_POSTGRES_BIN`, `CONTAINER_TEST_REDIS_BIN`: the directory of a server's programs.
pub(crate) fn program_directory(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

/// The directories in `PATH`.
pub(crate) fn search_path() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
}

/// The home directory.
pub(crate) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

/// `CONTAINER_TEST_DATA_DIR`: where local servers keep their data while they run.
pub(crate) fn data_directory() -> Option<PathBuf> {
    variable("CONTAINER_TEST_DATA_DIR").map(PathBuf::from)
}

/// `CONTAINER_TEST_CACHE_DIR`: where prepared data directories and locks are kept; by default
/// `container-test` in the user's cache directory.
pub(crate) fn cache_directory() -> Option<PathBuf> {
    let usual = || {
        let cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(home()?.join(".cache")))?;
        Some(cache.join("container-test"))
    };
    variable("CONTAINER_TEST_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(usual)
}

fn flag(name: &str) -> bool {
    variable(name).is_some_and(|value| value != "0" && value != "false")
}

/// What `DOCKER_HOST` says, for messages.
pub(crate) fn docker_host() -> Option<String> {
    variable("DOCKER_HOST")
}

/// The host of a `tcp://`, `http://` or `https://` URL.
fn host_of(url: &str) -> Option<String> {
    let rest = ["tcp://", "http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => format!("[{}]", v6.split(']').next()?),
        None => authority.split(':').next()?.to_owned(),
    };
    (!host.is_empty()).then_some(host)
}

/// Who we are, so that two users of one engine do not share servers.
pub(crate) fn user() -> String {
    variable("USER")
        .or_else(|| variable("USERNAME"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_of_an_engine_url_is_found() {
        assert_eq!(host_of("tcp://10.0.0.7:2375").as_deref(), Some("10.0.0.7"));
        assert_eq!(
            host_of("tcp://[fe80::1]:2375").as_deref(),
            Some("[fe80::1]")
        );
        assert_eq!(
            host_of("https://engine.example/").as_deref(),
            Some("engine.example")
        );
        assert_eq!(host_of("unix:///var/run/docker.sock"), None);
    }
}
