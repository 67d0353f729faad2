//! Joins a local server or starts it.

use std::future::Future;

use super::join::join;
use super::programs::Programs;
use super::start::start;
use crate::Result;
use crate::lifecycle::{Cache, ELSEWHERE, Failures, Owner};
use crate::provider::request::Request;
use crate::service::{Endpoint, OpenError};

/// How often a start is tried: a port may be taken between its choice and its use.
const ATTEMPTS: u32 = 3;

/// Finds or starts the server and waits until `open` succeeds on it.
pub(in crate::provider) async fn provide<T, C, F>(
    request: &Request,
    programs: &Programs,
    open: C,
) -> Result<(Endpoint, T)>
where
    C: Fn(Endpoint) -> F,
    F: Future<Output = Result<T, OpenError>>,
{
    let owner = Owner::find(&request.config, programs.local().user)?;
    let cache = Cache::open(&request.config, &owner)?;
    let name = format!("{}-{}", request.name, programs.key());
    let failures = Failures::new(&request.config);
    // No other process looks for an exclusive server.
    let lock = if request.spec.exclusive {
        None
    } else {
        // Usually the server runs already, and no lock is needed.
        if let Some(joined) = join(request, &name, programs, &owner, &open).await {
            return Ok(joined);
        }
        let lock = cache.lock_async(&name).await?;
        if let Some(joined) = join(request, &name, programs, &owner, &open).await {
            return Ok(joined);
        }
        // The process that had the lock may have failed to start it.
        if let Some(error) = failures.recall_in_run(&name) {
            return Err(error);
        }
        Some(lock)
    };
    let mut attempt = 1;
    let started = loop {
        match start(request, &name, programs, &owner, &cache, &open).await {
            Err(failure) if failure.port_was_taken && attempt < ATTEMPTS => attempt += 1,
            started => break started.map_err(|failure| failure.error),
        }
    };
    if let (Err(error), Some(_)) = (&started, &lock) {
        failures.remember_in_run(&name, ELSEWHERE, error);
    }
    drop(lock);
    started
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::service::{LocalProgram, ServerSpec};

    /// A directory that the servers' user can enter.
    fn directory() -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    /// A service whose program is this script.
    fn scripted(directory: &Path, script: &str) -> (Request, Programs) {
        let program = directory.join("nats-server");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let data = directory.join("data").display().to_string();
        let config = Config::with(&[
            ("CONTAINER_TEST_DATA_DIR", &data),
            ("CONTAINER_TEST_CACHE_DIR", &format!("{data}-cache")),
        ]);
        let local = LocalProgram::new(&["nats-server"], "`apt install nats-server`");
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        spec.exclusive = true;
        spec.local = Some(local.clone());
        let request = Request::new(&spec, &Arc::new(config)).unwrap();
        let programs = Programs::in_directory(directory, &local).unwrap();
        (request, programs)
    }

    /// Another server has taken the port: it accepts connections, and waits for more.
    #[tokio::test]
    async fn a_server_that_ends_while_another_program_holds_the_connection_is_started_again() {
        let directory = directory();
        let script = "echo 'bind: Address already in use'; exit 1";
        let (request, programs) = scripted(directory.path(), script);
        let starts = AtomicU32::new(0);
        let provided = provide(&request, &programs, |_| {
            starts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<(), OpenError>>()
        });
        let provided = tokio::time::timeout(Duration::from_secs(50), provided).await;
        let error = provided.expect("an end").unwrap_err().report();
        assert!(error.contains("the server ended by itself"), "{error}");
        assert!(error.contains("Address already in use"), "{error}");
        assert_eq!(starts.into_inner(), ATTEMPTS);
    }

    #[tokio::test]
    async fn a_fatal_error_ends_the_wait() {
        let directory = directory();
        let (request, programs) = scripted(directory.path(), "exec sleep 60");
        let since = Instant::now();
        let open = async |_| Err::<(), _>(OpenError::fatal("its version is too old"));
        let error = provide(&request, &programs, open).await.unwrap_err();
        let report = error.report();
        assert!(
            report.contains("because: its version is too old"),
            "{report}"
        );
        assert!(since.elapsed() < Duration::from_secs(20));
        let data = directory.path().join("data");
        assert_eq!(fs::read_dir(data).unwrap().count(), 0);
    }

    /// The watchdog stops a server that lets no process in: then its log is gone.
    #[tokio::test]
    async fn a_server_that_accepts_no_client_is_reported_with_the_reason() {
        const SERVER: &str = "exec perl -MIO::Socket::INET -e '
            my $server = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:$ARGV[0]\", Listen => 5);
            while (my $client = $server->accept) { close $client }' \"$1\"";
        let directory = directory();
        let (mut request, programs) = scripted(directory.path(), SERVER);
        request.spec.args = vec!["{port}".to_owned()];
        let open = async |_| {
            tokio::task::yield_now().await;
            Err::<(), _>(OpenError::starting("the password is wrong"))
        };
        let provided = provide(&request, &programs, open);
        let provided = tokio::time::timeout(Duration::from_secs(30), provided).await;
        let report = provided.expect("an end").unwrap_err().report();
        assert!(
            report.contains("because: the password is wrong"),
            "{report}"
        );
        assert!(
            report.contains("no process could connect to it"),
            "{report}"
        );
    }
}
