//! Providers: where servers come from.

mod choice;
mod docker;
mod external;
mod local;

use std::future::Future;
use std::time::Duration;

use sha2::{Digest, Sha256};

use self::choice::Choice;
use crate::{Error, Result, config, report};

/// Raised whenever servers of different versions of this crate cannot be shared.
const PROTOCOL: u32 = 1;

/// The script that a server runs under; its head says how it is called.
const WATCHDOG: &str = include_str!("watchdog.sh");

/// Longest time that a server may take to answer, unless the test says otherwise: enough for a
/// cold machine, short enough to wait for.
pub(crate) const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one connection may take: longer than the Redis client's own default of a second, since
/// test machines are busy.
pub(crate) const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How the system says that a disk is full.
pub(crate) const NO_ROOM: &str = "No space left on device";

/// How long a server of a test's own stays after its test.
const OWN_IDLE: Duration = Duration::from_secs(2);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Postgres,
    Redis,
}

impl Service {
    /// Its name, as in the attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// The port that it listens on inside its container.
    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
        }
    }

    /// The signal that stops it fast.
    fn stop_signal(self) -> &'static str {
        match self {
            Self::Postgres => "QUIT",
            Self::Redis => "TERM",
        }
    }
}

/// A server as a test wants it. Equal wishes share one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) service: Service,
    pub(crate) image: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) startup_timeout: Duration,
    /// Set for a server that one test has to itself.
    pub(crate) only_for: Option<String>,
}

impl Wanted {
    /// How long the server stays when nobody is connected.
    fn idle(&self) -> Result<Duration> {
        match self.only_for {
            None => config::idle(),
            Some(_) => Ok(OWN_IDLE),
        }
    }

    /// The name that everybody who wants this server derives: the engine's own uniqueness of
    /// names decides who creates it.
    fn server_name(&self, idle: Duration) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        };
        add(&PROTOCOL.to_string());
        add(WATCHDOG);
        add(&config::user());
        add(&idle.as_secs().to_string());
        add(&self.image);
        add(&self.args.len().to_string());
        self.args.iter().for_each(|argument| add(argument));
        for (name, value) in &self.env {
            add(name);
            add(value);
        }
        add(self.only_for.as_deref().unwrap_or_default());
        format!(
            "container-test-{}-{}",
            self.service.name(),
            hex(&hash.finalize()[..6])
        )
    }
}

/// A server that runs: how to reach it, and what to say about it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    /// Where it runs, for people.
    pub(crate) place: String,
    source: Source,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// A server of ours, which knows our users by this password.
    Ours {
        host: String,
        port: u16,
        password: String,
    },
    /// A server that the environment names.
    Url(String),
}

/// Where a server came from.
#[derive(Clone, Debug)]
enum Source {
    Docker(docker::Container),
    Local(local::Place),
    External,
}

impl Endpoint {
    /// The last lines of the server's log, as far as we can read it.
    pub(crate) async fn log_tail(&self, lines: usize) -> String {
        match &self.source {
            Source::Docker(container) => container.log_tail(lines).await,
            Source::Local(place) => place.log_tail(lines),
            Source::External => String::new(),
        }
    }

    /// Whether the server outlives us, so that nothing may be left on it.
    pub(crate) fn outlives_us(&self) -> bool {
        matches!(self.source, Source::External)
    }
}

/// Finds or starts a server and waits until `connect` gets a connection to it.
///
/// The connection is the caller's lease: the server stays for as long as it is open.
pub(crate) async fn provide<T, C, F>(wanted: &Wanted, connect: C) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let service = wanted.service.name();
    if choice::may_be_docker(wanted.service)
        && let Some((endpoint, lease)) = docker::remembered(wanted, &connect).await
    {
        tell(
            service,
            &endpoint,
            "docker",
            "a server that runs is remembered",
        );
        return Ok((endpoint, lease));
    }
    let choice = choice::choose(wanted.service).await?;
    let (provider, reason) = (choice.name(), choice.reason());
    let provided = match choice {
        Choice::External { url, .. } => external::provide(wanted, url, connect).await,
        Choice::Docker { engine, .. } => Box::pin(docker::provide(wanted, engine, connect)).await,
        Choice::Local { programs, .. } => local::provide(wanted, &programs, connect).await,
    };
    match provided {
        Ok((endpoint, lease)) => {
            tell(service, &endpoint, provider, &reason);
            Ok((endpoint, lease))
        }
        Err(error) => Err(error.note(format!("service {service}, provider {provider}: {reason}"))),
    }
}

/// Says what a service runs on, if the environment asks for that.
fn tell(service: &str, endpoint: &Endpoint, provider: &str, reason: &str) {
    if config::verbose() {
        let place = &endpoint.place;
        report::progress(&format!(
            "{service}: {place} (provider {provider}: {reason})"
        ));
    }
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Random characters for passwords and names: 128 bits in hexadecimal.
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new("get random bytes").because(error.to_string()))?;
    Ok(hex(&bytes))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use std::thread::sleep;

    use super::*;

    /// Seconds without a connection, fewer than the server takes to listen.
    const IDLE: u64 = 4;

    #[test]
    fn a_server_that_listens_late_is_not_stopped_at_once() {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "container-test-watchdog"])
            .arg(address.port().to_string())
            .args([&IDLE.to_string(), "60", "TERM", "", "sleep", "60"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_secs(IDLE + 2));
        // The script looks at the port, whoever listens there.
        let _server = TcpListener::bind(address).unwrap();
        sleep(Duration::from_secs(2));
        assert!(watchdog.try_wait().unwrap().is_none(), "after 2 s");
        assert!(watchdog.wait().unwrap().success());
    }

    #[test]
    fn a_server_that_does_not_stop_fast_is_told_to_quit_before_it_is_killed() {
        const SERVER: &str = "
            $SIG{INT} = 'IGNORE'; $SIG{QUIT} = sub { print 'it has quit'; exit };
            sleep 1 while 1";
        let watched = Command::new("sh")
            .args(["-c", WATCHDOG, "container-test-watchdog", "1"])
            .args(["1", "1", "INT", "", "perl", "-e", SERVER])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(watched.status.success());
        assert_eq!(String::from_utf8(watched.stdout).unwrap(), "it has quit");
    }
}
