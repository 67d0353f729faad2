//! What the environment says, read once: the only file that looks at it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Result};

/// What the environment says.
#[derive(Clone)]
pub(crate) struct Config {
    /// Variables that are set and not empty, as far as this crate reads them.
    variables: Vec<(String, String)>,
    /// `PATH`.
    pub(crate) search_path: OsString,
    /// The system's directory for temporary files.
    pub(crate) temporary: PathBuf,
    /// Whether this process runs in a container.
    pub(crate) in_container: bool,
    /// The machine's name, or that of the container that this process runs in.
    pub(crate) hostname: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some variables have passwords.
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

/// Variables of others that are read beside those that begin with `CONTAINER_TEST_`.
const OTHERS: [&str; 16] = [
    "CARGO_MANIFEST_DIR",
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_DEFAULT_PLATFORM",
    "DOCKER_HOST",
    "HOME",
    "LOGNAME",
    "NEXTEST",
    "NEXTEST_RUN_ID",
    "TESTCONTAINERS_HOST_OVERRIDE",
    "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX",
    "USER",
    "USERNAME",
    "XDG_CACHE_HOME",
];

impl Config {
    /// Reads the environment.
    pub(crate) fn from_environment() -> Self {
        let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(b"CONTAINER_TEST_");
        let ours = env::vars_os().filter(|(name, _)| is_ours(name));
        let others = OTHERS.map(|name| (name.into(), env::var_os(name).unwrap_or_default()));
        let variables = ours
            .chain(others)
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        Self {
            variables,
            search_path: env::var_os("PATH").unwrap_or_default(),
            temporary: env::temp_dir(),
            in_container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|mark| Path::new(mark).exists()),
            hostname: fs::read_to_string("/etc/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        }
    }

    /// Returns this machine's environment with these variables only.
    #[cfg(test)]
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            variables,
            ..Self::from_environment()
        }
    }

    /// Returns what decides which servers there are, and whether they can start.
    pub(crate) fn of_servers(&self) -> impl Hash + '_ {
        let variables = self.variables.iter();
        // It differs from package to package.
        let variables = variables.filter(|(name, _)| name != "CARGO_MANIFEST_DIR");
        (variables.collect::<Vec<_>>(), &self.search_path)
    }

    /// Returns a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.variables.iter();
        let (_, value) = variables.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Returns the directories in `PATH`.
    pub(crate) fn search_path(&self) -> impl Iterator<Item = PathBuf> + '_ {
        env::split_paths(&self.search_path)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from)
    }

    fn flag(&self, name: &str) -> bool {
        self.variable(name)
            .is_some_and(|value| value != "0" && value != "false")
    }

    /// Returns the directory of the crate under test: where Cargo says it is now, so that test
    /// archives that were moved find their files, else where it was compiled.
    pub(crate) fn crate_directory(&self, compiled: &str) -> PathBuf {
        self.path("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| compiled.into())
    }

    /// `TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX`: put before the names of images from Docker Hub.
    pub(crate) fn image_prefix(&self) -> Option<&str> {
        self.variable("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX")
    }

    /// `CONTAINER_TEST_IDLE`: how long a server stays without a connection; 10 s by default.
    pub(crate) fn idle(&self) -> Result<Duration> {
        let Some(text) = self.variable("CONTAINER_TEST_IDLE") else {
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

    /// `CONTAINER_TEST_KEEP`: whether what a failed test had is retained.
    pub(crate) fn retain_failed(&self) -> bool {
        self.flag("CONTAINER_TEST_KEEP")
    }

    /// `TESTCONTAINERS_HOST_OVERRIDE`: the host that the engine's published ports are reached at. An
    /// IPv6 address comes without its brackets.
    pub(crate) fn host_override(&self) -> Option<String> {
        let host = self.variable("TESTCONTAINERS_HOST_OVERRIDE")?;
        Some(host.trim().trim_matches(['[', ']']).to_owned())
    }

    /// `CONTAINER_TEST_ENGINE`: the way to the engine, instead of the first usable one.
    pub(crate) fn engine(&self) -> Option<&str> {
        self.variable("CONTAINER_TEST_ENGINE")
    }

    /// `DOCKER_HOST`: the address of the engine.
    pub(crate) fn docker_host(&self) -> Option<&str> {
        self.variable("DOCKER_HOST")
    }

    /// `DOCKER_CONTEXT`: the context of the program `docker`, instead of the current one.
    pub(crate) fn docker_context(&self) -> Option<&str> {
        self.variable("DOCKER_CONTEXT")
    }

    /// `DOCKER_CONFIG`: the directory of the settings of `docker`; by default `.docker` in the home
    /// directory.
    pub(crate) fn docker_config(&self) -> Option<PathBuf> {
        self.path("DOCKER_CONFIG")
            .or_else(|| Some(self.home()?.join(".docker")))
    }

    /// `DOCKER_DEFAULT_PLATFORM`: the platform of images and containers.
    pub(crate) fn platform(&self) -> Option<&str> {
        self.variable("DOCKER_DEFAULT_PLATFORM")
    }

    /// `CONTAINER_HOST`: the address of the engine of `podman`.
    pub(crate) fn podman_host(&self) -> Option<&str> {
        self.variable("CONTAINER_HOST")
    }

    /// `CONTAINER_CONNECTION`: the connection that `podman` takes to its engine.
    pub(crate) fn podman_connection(&self) -> Option<&str> {
        self.variable("CONTAINER_CONNECTION")
    }

    /// `CONTAINER_TEST_PROVIDER`: the provider of all services, instead of the first usable one.
    pub(crate) fn provider(&self) -> Option<&str> {
        self.variable("CONTAINER_TEST_PROVIDER")
    }

    /// `NEXTEST`: whether this process runs one test only, as those of nextest do.
    pub(crate) fn one_test_per_process(&self) -> bool {
        self.flag("NEXTEST")
    }

    /// `NEXTEST_RUN_ID`: what all processes of one run of nextest have in common, and no other run.
    pub(crate) fn test_run(&self) -> Option<&str> {
        self.variable("NEXTEST_RUN_ID")
    }

    /// `CONTAINER_TEST_VERBOSE`: whether to say what each service runs on.
    pub(crate) fn verbose(&self) -> bool {
        self.flag("CONTAINER_TEST_VERBOSE")
    }

    /// `CONTAINER_TEST_TIMELINE`: the file that trace events of all steps are appended to.
    pub(crate) fn timeline(&self) -> Option<PathBuf> {
        self.path("CONTAINER_TEST_TIMELINE")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// `CONTAINER_TEST_DATA_DIR`: where local servers have their data while they run.
    pub(crate) fn data_directory(&self) -> Option<PathBuf> {
        self.path("CONTAINER_TEST_DATA_DIR")
    }

    /// `CONTAINER_TEST_CACHE_DIR`: where prepared data directories and locks are; by default
    /// `container-test` in the user's cache directory.
    pub(crate) fn cache_directory(&self) -> Option<PathBuf> {
        let usual = || {
            let cache = self
                .path("XDG_CACHE_HOME")
                .or_else(|| Some(self.home()?.join(".cache")))?;
            Some(cache.join("container-test"))
        };
        self.path("CONTAINER_TEST_CACHE_DIR").or_else(usual)
    }

    /// `USER`, `USERNAME` or `LOGNAME`: the name of the user, if the environment has it.
    pub(crate) fn user(&self) -> Option<&str> {
        ["USER", "USERNAME", "LOGNAME"]
            .iter()
            .find_map(|name| self.variable(name))
    }
}

/// Returns the path of the running program. That of Linux leads to it even if another build has taken
/// its place.
pub(crate) fn program() -> PathBuf {
    let ours = PathBuf::from("/proc/self/exe");
    if ours.exists() {
        return ours;
    }
    env::current_exe().unwrap_or(ours)
}

/// Returns the variable that names a server of a service by its URL.
pub(crate) fn url_variable(service: &str) -> String {
    service_variable(service, "URL")
}

/// Returns the variable that names the directory of a service's programs.
pub(crate) fn programs_variable(service: &str) -> String {
    service_variable(service, "BIN")
}

/// Returns the name of a variable about a service. A shell knows no variables with dashes.
pub(crate) fn service_variable(service: &str, name: &str) -> String {
    let service = service.to_uppercase().replace('-', "_");
    format!("CONTAINER_TEST_{service}_{name}")
}

/// Returns the host of an engine's address that begins with `tcp://`, `http://`, `https://` or
/// `ssh://`, without the brackets of an IPv6 address.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let rest = ["tcp://", "http://", "https://", "ssh://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    let authority = rest.split('/').next()?;
    let (_, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_engine_url_is_found() {
        assert_eq!(host_of("tcp://10.0.0.7:2375").as_deref(), Some("10.0.0.7"));
        assert_eq!(host_of("tcp://[fe80::1]:2375").as_deref(), Some("fe80::1"));
        assert_eq!(
            host_of("https://engine.example/").as_deref(),
            Some("engine.example")
        );
        assert_eq!(
            host_of("ssh://ada@engine.example:22/run/docker.sock").as_deref(),
            Some("engine.example")
        );
        assert_eq!(host_of("ssh://ada@[fe80::1]").as_deref(), Some("fe80::1"));
        assert_eq!(host_of("unix:///var/run/docker.sock"), None);
    }

    #[test]
    fn passwords_in_variables_are_not_shown() {
        let url = "postgres://me:secret@db/x";
        let config = Config::with(&[("CONTAINER_TEST_POSTGRES_URL", url)]);
        assert!(!format!("{config:?}").contains("secret"), "{config:?}");
    }

    #[test]
    fn variables_of_services_can_be_set_in_a_shell() {
        assert_eq!(url_variable("mail-hog"), "CONTAINER_TEST_MAIL_HOG_URL");
        assert_eq!(programs_variable("nats"), "CONTAINER_TEST_NATS_BIN");
    }

    #[test]
    fn an_engine_host_that_is_an_ipv6_address_loses_its_brackets() {
        let config = Config::with(&[("TESTCONTAINERS_HOST_OVERRIDE", "[fe80::1]")]);
        assert_eq!(config.host_override().as_deref(), Some("fe80::1"));
    }
}
