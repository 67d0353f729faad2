//! Local servers that run.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log::LocalLog;
use super::{directory, join};
use crate::Result;
use crate::config::Config;
use crate::lifecycle::Owner;
use crate::lifecycle::private::failed;
use crate::provider::running_server::{End, RunningServer};
use crate::service::{Endpoint, ServerSpec};

/// The file in a server's directory that has the number of the watchdog's process.
const WATCHDOG: &str = "watchdog";

/// How long a server may take to end: the watchdog kills it after 20 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the local servers of this user, and of the users that the specs' programs run as.
pub(in crate::provider) fn running(
    config: &Config,
    specs: &[ServerSpec],
) -> Result<Vec<RunningServer>> {
    let directories = directory::all(config, &owners(config, specs)?).into_iter();
    Ok(directories
        .filter(|directory| directory::is_held(directory))
        .filter_map(|directory| server(&directory))
        .collect())
}

/// Returns this process's user with each of those that the specs' programs run as.
pub(super) fn owners(config: &Config, specs: &[ServerSpec]) -> Result<Vec<Owner>> {
    let mut users: Vec<_> = specs
        .iter()
        .map(|spec| spec.local.as_ref().and_then(|local| local.user))
        .collect();
    users.push(None);
    users.dedup();
    let owners = users.into_iter().map(|user| Owner::find(config, user));
    owners.collect()
}

fn server(directory: &Path) -> Option<RunningServer> {
    let name = directory.file_name()?.to_str()?;
    let service = directory::service(name)?;
    let log = Arc::new(LocalLog::in_directory(directory));
    // It has none before it is ready, and while it is decided whether it ends.
    let endpoint = join::address(directory).map(|address| Endpoint {
        address,
        description: format!("local server in {}", directory.display()),
        outlives_tests: false,
        log: Arc::clone(&log) as _,
    });
    let created = fs::metadata(directory.join(WATCHDOG)).and_then(|file| file.modified());
    Some(RunningServer {
        service: service.to_owned(),
        provider: "local",
        name: directory.display().to_string(),
        age: created.ok().and_then(|created| created.elapsed().ok()),
        endpoint,
        log,
        end: Some(Box::new(Watchdog(directory.to_owned()))),
    })
}

/// The watchdog of the server that has this directory.
struct Watchdog(PathBuf);

impl End for Watchdog {
    fn end(&self) -> Pin<Box<dyn Future<Output = Result<bool>> + Send + '_>> {
        Box::pin(self.stop())
    }
}

impl Watchdog {
    /// Tells it to stop its server; returns whether the server has ended.
    async fn stop(&self) -> Result<bool> {
        let directory = &self.0;
        let Ok(number) = fs::read_to_string(directory.join(WATCHDOG)) else {
            return Ok(!directory::is_held(directory));
        };
        // While the server runs, so does its watchdog: the number is no other process's.
        if directory::is_held(directory) {
            let kill = Command::new("kill")
                .args(["-TERM", number.trim()])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status();
            kill.map_err(|error| failed("end the server of", directory, error))?;
        }
        let begun = Instant::now();
        while directory.exists() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(!directory.exists())
    }
}
