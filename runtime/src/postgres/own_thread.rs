//! A thread and a runtime for code that makes a schema.

use std::future::Future;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::service::BoxError;

/// How long connections that the code has left open, and work that blocks, may take to end.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// Runs code on a thread and a runtime of its own: it may block.
pub(super) async fn run<F, T>(code: impl FnOnce() -> F + Send + 'static) -> Result<T, BoxError>
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let (sender, done) = oneshot::channel();
    let on_thread = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        let output = runtime.block_on(code());
        runtime.shutdown_timeout(PATIENCE);
        Ok(output)
    };
    let thread = thread::Builder::new().name("migrations".to_owned());
    thread.spawn(move || sender.send(on_thread()))?;
    done.await.unwrap_or_else(|_| Err("it panicked".into()))
}
