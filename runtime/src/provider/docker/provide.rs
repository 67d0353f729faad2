//! Finds a running container or creates it, and waits for its server.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cached;
use super::create::{Created, create};
use super::engine::{Engine, State};
use super::found::Found;
use super::reach::Reach;
use super::wait::wait;
use crate::provider::request::Request;
use crate::service::{Endpoint, OpenError};
use crate::{Error, Result};

/// How long a container that could not be started is left alone.
const PAUSE: Duration = Duration::from_millis(400);
/// How often a server that ended before it answered is started again.
const ATTEMPTS: u32 = 5;

/// Finds or starts the container and waits until `open` succeeds on its server.
pub(in crate::provider) async fn provide<T, C, F>(
    request: &Request,
    engine: Engine,
    open: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let reach = Reach::of(&engine, &request.config).await;
    let mut attempt = 1;
    let mut preparing = None;
    loop {
        let (found, created) = find_or_create(&engine, request, &reach, &mut preparing).await?;
        let new = created || attempt > 1;
        match wait(&engine, request, &found, new, &open).await? {
            Some((endpoint, opened)) => {
                let own = endpoint.address == found.endpoint.address;
                let published = found.published.as_ref().filter(|_| own);
                cached::cache(request, &endpoint, published);
                if let Some(preparing) = preparing {
                    // The process may end soon. Without prepared data servers start all the same.
                    let _ = preparing.await;
                }
                return Ok((endpoint, opened));
            }
            None if attempt < ATTEMPTS => attempt += 1,
            None => {
                return Err(Error::new(format!("reach the container {}", request.name))
                    .because(format!("it ended {ATTEMPTS} times before it answered")));
            }
        }
    }
}

/// The task that starts a preparation.
type Preparing = tokio::task::JoinHandle<Result<()>>;

/// Returns the container, and whether it was created here.
async fn find_or_create(
    engine: &Engine,
    request: &Request,
    reach: &Reach,
    preparing: &mut Option<Preparing>,
) -> Result<(Found, bool)> {
    let deadline = Instant::now() + request.spec.startup_timeout;
    let vanished =
        |cause: String| Error::new(format!("create the container {}", request.name)).because(cause);
    let mut created = 0;
    loop {
        if let Some(found) = find(engine, request, reach).await? {
            return Ok((found, created > 0));
        }
        if created == ATTEMPTS {
            return Err(vanished(format!(
                "it ended {ATTEMPTS} times as soon as it was started"
            )));
        }
        match create(engine, request, reach).await? {
            Created::Here(preparation) => {
                created += 1;
                if let Some(preparation) = preparation {
                    *preparing = Some(tokio::spawn(preparation.start()));
                }
            }
            Created::Elsewhere if Instant::now() > deadline => {
                return Err(vanished(
                    "the engine says that its name is taken, and then that there is none".into(),
                ));
            }
            Created::Elsewhere => sleep(engine.poll()).await,
        }
    }
}

/// Returns the running container, if there is one; removes one that has ended.
async fn find(engine: &Engine, request: &Request, reach: &Reach) -> Result<Option<Found>> {
    let (name, program) = (&request.name, engine.way().program());
    let deadline = Instant::now() + request.spec.startup_timeout;
    loop {
        let Some(inspected) = engine.inspect(name).await? else {
            return Ok(None);
        };
        match inspected.state {
            State::Running => {
                if let Some(found) = Found::new(engine, request, reach, &inspected) {
                    return Ok(Some(found));
                }
            }
            // Its creator is about to start it, or died before it could. Any process may start it:
            // it is no error to start it twice.
            State::Created => {
                let started = engine.start(name).await;
                let poll = engine.poll();
                sleep(if started.is_ok() { poll } else { PAUSE }).await;
            }
            State::Paused => {
                return Err(Error::new(format!("use the container {name}"))
                    .because("it is paused")
                    .with_help(format!(
                        "run `{program} unpause {name}`, or `{program} rm -f {name}`"
                    )));
            }
            // The engine removes it, unless it was stopped meanwhile.
            State::Exited => engine.remove(&inspected.id).await,
            State::Other(_) | State::Unknown => {}
        }
        if Instant::now() > deadline {
            return Err(Error::new(format!("use the container {name}"))
                .because(format!("it stays in the state {}", inspected.state))
                .with_help(format!("remove it with `{program} rm -f {name}`")));
        }
        sleep(engine.poll()).await;
    }
}
