//! The process's background thread: it owns every connection that outlives a test.
//!
//! A tokio runtime that ends takes its sockets with it, and each test has a runtime of its own;
//! so leases, administration and look-ups live here.

use std::future::Future;
use std::hash::Hash;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle};

use crate::once::Once;
use crate::{Error, Result};

static HANDLE: OnceLock<Result<Handle, String>> = OnceLock::new();

fn handle() -> Result<&'static Handle> {
    HANDLE
        .get_or_init(start)
        .as_ref()
        .map_err(|cause| Error::new("start the background thread").because(cause.as_str()))
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

/// Runs a future on the background thread and waits for its result.
pub(crate) async fn run<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    handle()?
        .spawn(future)
        .await
        .unwrap_or_else(|error| Err(Error::new("run on the background thread").because(error)))
}

/// The value of the key, made on the background thread by the first of all tests that ask.
pub(crate) async fn once<K, V, F>(
    values: &Once<K, V>,
    key: &K,
    make: impl FnOnce(K) -> F + Send + 'static,
) -> Result<V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<V>> + Send + 'static,
{
    let cell = values.cell(key);
    if let Some(known) = cell.get() {
        return Ok(known.clone());
    }
    let key = key.clone();
    let made = async move { cell.get_or_try_init(|| make(key)).await.cloned() };
    // On the heap: what happens but once must not make every test's future as large.
    Box::pin(run(made)).await
}

/// Runs a future on the background thread and blocks until it has ended. Not for use on a
/// runtime.
pub(crate) fn wait(future: impl Future<Output = ()> + Send + 'static) {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_task(async move {
        future.await;
        let _ = sender.send(());
    });
    // An error says that the thread could not be started: then there was nothing to wait for.
    let _ = receiver.recv();
}

/// Starts a future on the background thread; it ends with the process at the latest.
pub(crate) fn start_task(future: impl Future<Output = ()> + Send + 'static) {
    if let Ok(handle) = handle() {
        handle.spawn(future);
    }
}
