//! The process's background thread: it owns every connection that outlives a test.
//!
//! A tokio runtime that ends takes its sockets with it, and each test has a runtime of its own;
//! so leases and administration live here.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use crate::{Error, Result, record};

/// How often a lease is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A thread with a tokio runtime that lasts as long as the process. It starts with its first task.
#[derive(Debug, Default)]
pub(crate) struct Background(OnceLock<Result<Handle, String>>);

impl Background {
    fn handle(&self) -> Result<&Handle> {
        self.0
            .get_or_init(start)
            .as_ref()
            .map_err(|cause| Error::new("start the background thread").because(cause.as_str()))
    }

    /// Runs a future on the background thread's runtime and returns its result. What it does before
    /// it first waits is done at once, on the thread that asks: to wake another thread and to be
    /// woken by it takes longer than most of that. The future is on the heap: without optimisation
    /// it would be copied with all that is around it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        let future = Box::pin(future);
        async move {
            let handle = self.handle()?;
            let mut future = Box::pin(record::carried(future));
            let begun = poll_fn(|cx| {
                let _entered = handle.enter();
                let begin = AssertUnwindSafe(|| future.as_mut().poll(cx));
                Poll::Ready(catch_unwind(begin))
            });
            let failed = || Error::new("run on the background thread");
            match begun.await {
                Ok(Poll::Ready(result)) => result,
                Ok(Poll::Pending) => {
                    let task = handle.spawn(future).await;
                    task.unwrap_or_else(|error| Err(failed().because(error)))
                }
                Err(_) => Err(failed().because("it panicked")),
            }
        }
    }

    /// Runs a future on the background thread and blocks until it has ended. Not for use on a
    /// runtime.
    pub(crate) fn wait(&self, future: impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.spawn(async move {
            future.await;
            let _ = sender.send(());
        });
        // An error means that the thread could not be started: then there is nothing to wait for.
        let _ = receiver.recv();
    }

    /// Starts a future on the background thread; it ends with the process at the latest.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Ok(handle) = self.handle() {
            handle.spawn(future);
        }
    }
}

/// Looks at the lease on a server for as long as the server is in use: something may end a session
/// that seems idle. Must be called on the background thread. A look that cannot take a lost lease
/// again is followed by the next.
pub(crate) fn watch_lease<S, F>(server: &Arc<S>, look: impl Fn(Arc<S>) -> F + Send + 'static)
where
    S: Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(server) = server.upgrade() else {
                return;
            };
            look(server).await;
        }
    });
}

/// Runs a future where it is awaited, with the clock, the new sockets and the new tasks of another
/// runtime.
pub(crate) async fn entered<T>(handle: &Handle, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = handle.enter();
        future.as_mut().poll(cx)
    })
    .await
}

fn start() -> Result<Handle, String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let _ = sender.send(Ok(runtime.handle().clone()));
            runtime.block_on(std::future::pending::<()>());
        }
        Err(error) => {
            let _ = sender.send(Err(error.to_string()));
        }
    };
    std::thread::Builder::new()
        .name("container-test".to_owned())
        .spawn(thread)
        .map_err(|error| error.to_string())?;
    receiver.recv().map_err(|error| error.to_string())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::thread::current;

    use super::*;

    #[test]
    fn work_is_begun_on_the_thread_that_asks_and_goes_on_in_the_background() {
        let background = Background::default();
        let runtime = Builder::new_current_thread().build().unwrap();
        // That of the caller has no clock.
        let (begun, gone_on, spawned) = runtime
            .block_on(background.run(async {
                let begun = current().id();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let spawned = tokio::spawn(async { current().id() });
                Ok((begun, current().id(), spawned.await.unwrap()))
            }))
            .unwrap();
        assert_eq!(begun, current().id());
        assert_ne!(gone_on, begun);
        assert_eq!(spawned, gone_on);
    }

    #[test]
    fn what_is_started_by_work_that_never_waits_outlives_the_runtime_that_asks() {
        let background = Background::default();
        let runtime = Builder::new_current_thread().build().unwrap();
        let started =
            runtime.block_on(background.run(async { Ok(tokio::spawn(async { current().id() })) }));
        drop(runtime);
        let wait = async move { Ok(started.unwrap().await.unwrap()) };
        let runtime = Builder::new_current_thread().build().unwrap();
        let thread = runtime.block_on(background.run(wait)).unwrap();
        assert_ne!(thread, current().id());
    }

    #[test]
    fn what_is_entered_has_the_clock_of_that_runtime() {
        let background = Background::default();
        let handle = background.handle().unwrap();
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let (begun, length) = (std::time::Instant::now(), Duration::from_millis(20));
        let thread = runtime.block_on(entered(handle, async {
            tokio::time::sleep(length).await;
            current().id()
        }));
        assert_eq!(thread, current().id());
        assert!(begun.elapsed() >= length);
    }

    #[test]
    fn a_panic_is_an_error_before_and_after_the_first_wait() {
        let background = Background::default();
        let runtime = Builder::new_current_thread().build().unwrap();
        for waits in [false, true] {
            let panics = async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                std::panic::panic_any("on purpose")
            };
            let result: Result<()> = runtime.block_on(background.run(panics));
            let error = result.unwrap_err().report();
            assert!(
                error.starts_with("failed to run on the background thread"),
                "{error}"
            );
        }
    }
}
