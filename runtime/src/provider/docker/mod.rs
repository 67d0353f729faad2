//! Servers in containers, through testcontainers: the only folder that names it.
//!
//! A container's name is derived from what is wanted, so that threads, binaries and processes
//! find each other's servers. The container ends itself (see `watchdog.sh`) and is removed by
//! the engine then; testcontainers' own removal on drop is not used, since it needs a process
//! that lives until then.

mod container;
mod create;
mod image;
mod prepared;
mod remembered;

use std::future::Future;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use tokio::time::{Instant, sleep, timeout};

pub(super) use self::container::{Container, engine};
pub(super) use self::remembered::remembered;

use self::container::{Reach, endpoint_of};
use super::{Address, BoxError, Endpoint, Source, Wanted};
use crate::{Error, Result};

/// How often a server that does not answer yet is asked again.
const POLL: Duration = Duration::from_millis(5);
/// How often its container is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(400);
/// How long a container is looked for at its own address alone, before its published port is tried
/// as well: two engines on one machine may give out the same addresses.
const OWN_ADDRESS: Duration = Duration::from_secs(3);
/// How often a server that vanished before it answered is started anew.
const ATTEMPTS: u32 = 5;

/// Finds or starts the container and waits until `connect` succeeds.
pub(super) async fn provide<T, C, F>(
    wanted: &Wanted,
    engine: Docker,
    connect: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let idle = wanted.idle()?;
    let reach = Reach::of(&engine).await;
    let container = Container::new(engine, wanted.server_name(idle), reach);
    let mut attempt = 1;
    let mut preparing = None;
    loop {
        let Some(endpoint) = find(&container, wanted).await? else {
            let to_prepare = create::create(&container, wanted, idle).await?;
            preparing = to_prepare.map(|(prepared, image)| {
                tokio::spawn(prepared.prepare(container.clone(), wanted.clone(), image))
            });
            continue;
        };
        match wait(&container, wanted, idle, &endpoint, &connect).await? {
            Some((endpoint, lease)) => {
                remembered::remember(wanted, idle, &endpoint);
                if let Some(preparing) = preparing {
                    // The process may end soon. Without it, servers start as they do anyway.
                    let _ = preparing.await;
                }
                return Ok((endpoint, lease));
            }
            None if attempt < ATTEMPTS => attempt += 1,
            None => {
                return Err(
                    Error::new(format!("reach the container {}", container.name))
                        .because(format!("it vanished {ATTEMPTS} times before it answered")),
                );
            }
        }
    }
}

/// The running container, if there is one; makes way for a new one where a dead one is left.
async fn find(container: &Container, wanted: &Wanted) -> Result<Option<Endpoint>> {
    let deadline = Instant::now() + wanted.startup_timeout;
    loop {
        let Some(found) = container.inspect().await? else {
            return Ok(None);
        };
        let status = found.state.as_ref().and_then(|state| state.status);
        match status {
            Some(ContainerStateStatusEnum::RUNNING) => {
                if let Some(endpoint) = endpoint_of(container, wanted, &found) {
                    return Ok(Some(endpoint));
                }
            }
            // Its creator is about to start it, or died before it could: starting it is safe
            // for whoever comes first, and no failure for whoever comes second.
            Some(ContainerStateStatusEnum::CREATED) => {
                if let Err(_refused) = container.start().await {
                    sleep(LOOK).await;
                }
            }
            Some(ContainerStateStatusEnum::PAUSED) => {
                return Err(Error::new(format!("use the container {}", container.name))
                    .because("it is paused")
                    .with_help(format!(
                        "run `docker unpause {0}`, or `docker rm -f {0}`",
                        container.name
                    )));
            }
            // The engine removes it by itself, unless the engine was stopped meanwhile.
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
                container.remove(&found).await;
            }
            _ => {}
        }
        if Instant::now() > deadline {
            return Err(Error::new(format!("use the container {}", container.name))
                .because(format!("it stays in the state {status:?}"))
                .with_help(format!("remove it with `docker rm -f {}`", container.name)));
        }
        sleep(POLL).await;
    }
}

/// Waits until the server answers, and tells where; `None` if the container is on its way out.
async fn wait<T, C, F>(
    container: &Container,
    wanted: &Wanted,
    idle: Duration,
    endpoint: &Endpoint,
    connect: &C,
) -> Result<Option<(Endpoint, T)>>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, BoxError>>,
{
    let published = endpoint.published();
    let since = Instant::now();
    let deadline = since + wanted.startup_timeout;
    let mut look_at = Instant::now() + LOOK;
    let mut log = String::new();
    loop {
        // Where its own address leads elsewhere, nobody may refuse the connection.
        let mut place = endpoint;
        let mut answer = match &published {
            Some(_) => timeout(OWN_ADDRESS, connect(endpoint.clone()))
                .await
                .unwrap_or_else(|_| Err("it does not answer at its own address".into())),
            None => connect(endpoint.clone()).await,
        };
        if let Some(published) = &published
            && answer.is_err()
            && since.elapsed() > OWN_ADDRESS
        {
            place = published;
            answer = connect(published.clone()).await;
        }
        let failure = match answer {
            Ok(lease) => return Ok(Some((place.clone(), lease))),
            Err(failure) => failure,
        };
        if Instant::now() > look_at {
            look_at = Instant::now() + LOOK;
            let tail = container.log_tail(50).await;
            log = if tail.is_empty() { log } else { tail };
            if let Some(end) = log
                .lines()
                .find(|line| line.contains("the server ended by itself"))
            {
                let end = end
                    .rsplit("container-test-watchdog: ")
                    .next()
                    .unwrap_or(end);
                return Err(Error::new("start the server").because(end.to_owned()).note(log_note(&log)).with_help(
                    "the server's own words above say why; check the options `args`, `env` and `image`",
                ));
            }
            let found = container.inspect().await?;
            let running = found
                .as_ref()
                .and_then(|found| found.state.as_ref()?.running);
            let gone = running != Some(true) || found.is_some_and(|found| !endpoint.is(&found));
            if gone && since.elapsed() >= idle {
                return Err(unanswered(endpoint, failure, &log)
                    .note("it ended, since nobody could connect to it"));
            } else if gone {
                // It was about to end when we found it.
                return Ok(None);
            }
        }
        if Instant::now() > deadline {
            let waited = format!("it did not answer within {:?}", wanted.startup_timeout);
            return Err(unanswered(endpoint, failure, &log).note(waited));
        }
        sleep(POLL).await;
    }
}

impl Endpoint {
    /// The same container at its published port, if it is not reached there.
    fn published(&self) -> Option<Self> {
        let (Source::Docker(container), Address::Ours { password, .. }) =
            (&self.source, &self.address)
        else {
            return None;
        };
        Some(Self {
            address: Address::Ours {
                host: container.reach.connect_to.clone(),
                port: container.published?,
                password: password.clone(),
            },
            place: self.place.clone(),
            source: Source::Docker(container.at_its_published_port()),
        })
    }

    /// Whether this is the container that was found under the name.
    fn is(&self, found: &ContainerInspectResponse) -> bool {
        matches!(&self.source, Source::Docker(container) if container.id == found.id)
    }
}

fn unanswered(endpoint: &Endpoint, failure: BoxError, log: &str) -> Error {
    Error::new(format!("connect to the {}", endpoint.place))
        .because(failure)
        .note(log_note(log))
        .with_help("see in its log what it waits for and where it listens; `startup_timeout = \"…\"` gives it more time")
}

fn log_note(log: &str) -> String {
    if log.trim().is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its last log lines:\n{log}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::super::{STARTUP_TIMEOUT, Service};
    use super::*;

    /// Two engines on one machine may give out the same addresses.
    #[tokio::test]
    async fn a_container_that_is_not_at_its_own_address_is_reached_at_its_published_port() {
        let wanted = Wanted {
            service: Service::Redis,
            image: String::new(),
            args: Vec::new(),
            env: Vec::new(),
            startup_timeout: STARTUP_TIMEOUT,
            only_for: None,
        };
        let mut container = Container::unseen("container-test-redis".to_owned(), "127.0.0.1");
        container.published = Some(40_000);
        let own = Endpoint {
            address: Address::Ours {
                host: "172.17.0.2".to_owned(),
                port: 6379,
                password: String::new(),
            },
            place: String::new(),
            source: Source::Docker(container.clone()),
        };
        let connect = async |endpoint: Endpoint| match endpoint.address {
            Address::Ours { host, port, .. } if host == "127.0.0.1" => Ok(port),
            _ => std::future::pending().await,
        };
        let waited = wait(&container, &wanted, Duration::from_secs(10), &own, &connect);
        let waited = timeout(OWN_ADDRESS * 10, waited).await.expect("an answer");
        let (endpoint, port) = waited.unwrap().unwrap();
        assert_eq!(port, 40_000);
        assert!(endpoint.published().is_none(), "it is not tried any more");
    }
}
