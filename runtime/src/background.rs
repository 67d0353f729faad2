//! The process's background thread: it owns every connection that outlives a test.
//!
//! A tokio runtime that ends takes its sockets with it, and each test has a runtime of its own;
//! so leases and administration live here.

use std::future::Future;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
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

    /// Runs a future on the background thread and returns its result. The future is on the heap:
    /// without optimisation it would be copied with all that is around it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        let future = Box::pin(future);
        async move {
            let task = self.handle()?.spawn(record::carried(future));
            task.await.unwrap_or_else(|error| {
                Err(Error::new("run on the background thread").because(error))
            })
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
