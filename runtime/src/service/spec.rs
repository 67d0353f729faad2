//! The server that a service asks for.

use std::fmt::{self, Debug, Formatter};
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::config::Config;
use crate::lifecycle::{Cache, Owner};

/// A server as a service asks for it. Tests whose specs are equal share one server.
///
/// In [`args`](Self::args), [`env`](Self::env), [`files`](Self::files), [`ContainerSetup`] and
/// [`LocalProgram::args`] these words are replaced when a server starts:
///
/// | word | in a container | as a local program |
/// |---|---|---|
/// | `{password}` | the server's random password | the same |
/// | `{port}` | [`port`](Self::port) | a free port |
/// | `{host}` | `0.0.0.0` | `127.0.0.1` |
/// | `{directory}` | the directory of `files` | the server's directory, which is also that of `files` |
///
/// The password is the only secret. It belongs into `files` or `env`: other users of the machine
/// can read the arguments of a process. `Debug` shows the names of both only.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerSpec {
    /// The service's [`NAME`](crate::Service::NAME).
    pub service: &'static str,
    /// Image of the container, such as `nats:2-alpine`.
    pub image: String,
    /// TCP port that the server listens on in its container.
    pub port: u16,
    /// Arguments after those of the image's own command. Default: none.
    pub args: Vec<String>,
    /// Environment of the server. Default: none.
    pub env: Vec<(String, String)>,
    /// Settings files, by name and content, in `{directory}`. A name has no `/` and does not begin
    /// with a dot; `data`, `endpoint`, `log` and `watchdog` are taken. Default: none.
    pub files: Vec<(String, String)>,
    /// Signal that stops the server fast. A server in a container that no process uses any more is
    /// killed instead. Default: `TERM`.
    pub stop_signal: &'static str,
    /// Longest time that the server may take to answer. Default: 60 s.
    pub startup_timeout: Duration,
    /// Whether the server is for one test alone. Default: shared.
    pub exclusive: bool,
    /// Whether only servers that this crate starts can be used, because others lack settings that
    /// the service needs. Default: `CONTAINER_TEST_<SERVICE>_URL` can name one.
    pub refuses_urls: bool,
    /// What only a container gets.
    pub container: ContainerSetup,
    /// The server as a program of the machine. Default: there is none.
    pub local: Option<LocalProgram>,
    /// Whether there is no server at all.
    pub(crate) without_server: bool,
}

impl ServerSpec {
    /// Returns a shared server from an image that listens on the port.
    pub fn new(service: &'static str, image: impl Into<String>, port: u16) -> Self {
        Self {
            service,
            image: image.into(),
            port,
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            stop_signal: "TERM",
            startup_timeout: STARTUP_TIMEOUT,
            exclusive: false,
            refuses_urls: false,
            container: ContainerSetup::default(),
            local: None,
            without_server: false,
        }
    }

    /// Returns the spec of a service that has no server of its own: no provider is asked, so that
    /// each [`claim`](crate::Service::claim) makes what its test gets, in this process or by other
    /// means.
    ///
    /// [`Service::open`](crate::Service::open) is called once per process, with an endpoint that
    /// has no address. Claims of a test's services of this kind run at the same time, and the test
    /// waits until [`Slot::release`](crate::Slot::release) has returned.
    #[must_use]
    pub fn without_server(service: &'static str) -> Self {
        Self {
            without_server: true,
            ..Self::new(service, "", 0)
        }
    }

    /// Returns everything that tells one server from another, in a form that can be hashed.
    fn identity(&self) -> impl Hash + PartialEq + '_ {
        (
            (self.service, &self.image, self.port, self.startup_timeout),
            (&self.args, &self.env, &self.files),
            (self.stop_signal, self.exclusive),
            (&self.container.env, &self.container.remote_env),
            &self.container.entrypoint,
            (
                &self.container.command,
                self.local.as_ref().map(|l| &l.args),
            ),
        )
    }
}

impl Debug for ServerSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpec")
            .field("service", &self.service)
            .field("image", &self.image)
            .field("port", &self.port)
            .field("args", &self.args)
            .field("env", &NamesOf(&self.env))
            .field("files", &NamesOf(&self.files))
            .field("stop_signal", &self.stop_signal)
            .field("startup_timeout", &self.startup_timeout)
            .field("exclusive", &self.exclusive)
            .field("refuses_urls", &self.refuses_urls)
            .field("container", &self.container)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// Pairs of names and values, of which only the names are shown: the values may be secret.
pub(crate) struct NamesOf<'a>(pub(crate) &'a [(String, String)]);

impl Debug for NamesOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl PartialEq for ServerSpec {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for ServerSpec {}

impl Hash for ServerSpec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// How long a server may take to answer, unless the test says otherwise: enough for a cold
/// machine, short enough to wait for.
pub(crate) const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one connection may take: more than clients allow by default, since test machines are
/// busy.
pub(crate) const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the answer to a short question of ours may take: a network can swallow what is sent, and
/// say nothing.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What only a container gets of a server.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ContainerSetup {
    /// Environment that only the image's entrypoint reads.
    pub env: Vec<(String, String)>,
    /// The same, after [`env`](Self::env), where the way to the engine leaves this machine, so that
    /// a password must not be sent as it is. Default: none.
    pub remote_env: Vec<(String, String)>,
    /// Instead of the image's entrypoint. As with `docker run --entrypoint`, the image's command
    /// does not apply then. Default: the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Instead of the image's command; [`ServerSpec::args`] come after it. Default: the image's.
    pub command: Option<Vec<String>>,
    /// How the server's data are prepared once per image and settings.
    pub(crate) prepared: Option<&'static PreparedData>,
}

impl Debug for ContainerSetup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSetup")
            .field("env", &NamesOf(&self.env))
            .field("remote_env", &NamesOf(&self.remote_env))
            .field("entrypoint", &self.entrypoint)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

/// How data of a server are prepared in a container, for later containers to start from.
#[derive(Debug, Hash)]
pub(crate) struct PreparedData {
    /// Variable of the image that names the directory of the data, and where they are without it.
    pub(crate) directory: (&'static str, &'static str),
    /// Shell script that prepares an archive of the data:
    /// `sh -c SCRIPT pack ARCHIVE DATA arguments… -- entrypoint… command…`.
    pub(crate) pack: &'static str,
    /// The script's own arguments.
    pub(crate) arguments: &'static [&'static str],
    /// File that an initialised directory has.
    pub(crate) mark: &'static str,
}

impl PreparedData {
    /// Returns everything that makes a difference to the data.
    pub(crate) fn identity(&self) -> String {
        format!("{self:?}")
    }
}

/// A server as a program that is installed on the machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalProgram {
    /// Names of the server program, the preferred one first.
    pub names: &'static [&'static str],
    /// Arguments before those of [`ServerSpec::args`].
    pub args: Vec<String>,
    /// Directories to look in after `PATH`. `*` stands for a version number; the newest comes
    /// first. Default: the system's own. Those of Homebrew and Nix always follow.
    pub directories: &'static [&'static str],
    /// Programs that must be in the same directory. Default: none.
    pub beside: &'static [&'static str],
    /// System user that the server runs as when the tests run as root, if there is one of this
    /// name. Default: `nobody`.
    pub user: Option<&'static str>,
    /// The oldest version that is supported, and what stands before the version in what the
    /// program prints when it is called with `--version`: `("v=", (6, 2))` for
    /// `Redis server v=7.0.15`. It is checked after a failed start. Default: any version.
    pub oldest: Option<(&'static str, (u32, u32))>,
    /// How to install it, for messages.
    pub install: &'static str,
    /// What puts the data there that the server starts from.
    pub(crate) data: Option<&'static dyn LocalData>,
}

impl LocalProgram {
    /// Returns a program with the names that it may have, and how to install it: such as
    /// ``"`apt install nats-server`"``.
    #[must_use]
    pub fn new(names: &'static [&'static str], install: &'static str) -> Self {
        Self {
            names,
            args: Vec::new(),
            directories: &[],
            beside: &[],
            user: None,
            oldest: None,
            install,
            data: None,
        }
    }
}

/// What a program's server starts from, and what to say about programs that are too old.
pub(crate) trait LocalData: Debug + Send + Sync {
    /// Prepares what the server starts from in its directory, in the background; returns the
    /// password that is in it. `None`: any password will do.
    fn prepare(
        &self,
        start: LocalStart,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>>> + Send>>;

    /// Returns an error if the program that failed to start is too old.
    fn check_version(&self, program: &Path) -> Result<()>;
}

/// A local server that is about to start.
#[derive(Clone, Debug)]
pub(crate) struct LocalStart {
    /// The server program.
    pub(crate) program: PathBuf,
    /// The server's directory.
    pub(crate) directory: PathBuf,
    /// Who the server runs as.
    pub(crate) owner: Owner,
    /// Where prepared data are cached.
    pub(crate) cache: Cache,
    /// What the programs that prepare the data hold open: until they have ended the directory stays,
    /// also if this process is killed.
    pub(crate) held: Arc<OwnedFd>,
    /// What the environment says.
    pub(crate) config: Arc<Config>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_secret_are_not_shown() {
        let secret = |name: &str| vec![(name.to_owned(), "hidden".to_owned())];
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        spec.env = secret("TOKEN");
        spec.files = secret("nats.conf");
        spec.container.env = secret("ADMIN");
        spec.container.remote_env = secret("REMOTE");
        let shown = format!("{spec:?} {spec:#?}");
        for name in ["nats:2-alpine", "TOKEN", "nats.conf", "ADMIN", "REMOTE"] {
            assert!(shown.contains(name), "{shown}");
        }
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
