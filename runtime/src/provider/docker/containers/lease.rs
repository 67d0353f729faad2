//! A lease on a container: a process in it that ends when this process does, since the engine closes
//! its input then. The watchdog ends a container that has none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecResults};
use tokio::task::AbortHandle;

use crate::lifecycle::watchdog;
use crate::provider::docker::engine::Library;
use crate::{Error, Result};

/// A lease on a container; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    ended: Arc<AtomicBool>,
    connection: AbortHandle,
}

impl Lease {
    /// Takes a lease on a container that runs under the watchdog; `None` if the container is about
    /// to end. Must be called on the background thread, where the connection lives.
    pub(super) async fn take(
        engine: &Library,
        container: &str,
        token: &str,
    ) -> Result<Option<Self>> {
        let failed = |error| Error::new("take a lease on the container").because(error);
        let command = CreateExecOptions {
            cmd: Some(watchdog::lease(token)),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            ..CreateExecOptions::default()
        };
        let created = engine
            .api()
            .create_exec(container, command)
            .await
            .map_err(failed)?;
        let started = engine
            .api()
            .start_exec(&created.id, None)
            .await
            .map_err(failed)?;
        let StartExecResults::Attached { mut output, input } = started else {
            return Ok(None);
        };
        let mut said = String::new();
        while !said.contains('\n') {
            match output.next().await {
                Some(part) => said.push_str(&part.map_err(failed)?.to_string()),
                None => break,
            }
        }
        if said.trim() != watchdog::HELD {
            return Ok(None);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&ended);
        let connection = tokio::spawn(async move {
            let _input = input;
            while let Some(Ok(_)) = output.next().await {}
            mark.store(true, Ordering::Relaxed);
        });
        Ok(Some(Self {
            ended,
            connection: connection.abort_handle(),
        }))
    }

    /// Returns whether the container has ended, and the lease with it.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
