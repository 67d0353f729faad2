//! Containers that run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::engine::{Engine, Listed, State};
use super::found::{ContainerLog, address};
use super::labels;
use super::reach::Reach;
use crate::Result;
use crate::config::Config;
use crate::lifecycle::user_name;
use crate::provider::running_server::{End, RunningServer};
use crate::service::Endpoint;

/// Returns the servers that tests of this user have in containers.
pub(in crate::provider) async fn running(
    engine: &Engine,
    config: &Arc<Config>,
) -> Vec<RunningServer> {
    let reach = Reach::of(engine, config).await;
    let ours = format!("{}={}", labels::USER, user_name(config));
    let mut servers = Vec::new();
    for listed in engine.list(&ours).await {
        // What prepares data has no service.
        let Some(service) = listed.labels.get(labels::SERVICE) else {
            continue;
        };
        if matches!(listed.state, State::Running | State::Paused) {
            servers.push(server(engine, config, &reach, service, &listed).await);
        }
    }
    servers
}

async fn server(
    engine: &Engine,
    config: &Arc<Config>,
    reach: &Reach,
    service: &str,
    listed: &Listed,
) -> RunningServer {
    let log = Arc::new(ContainerLog {
        engine: Some(engine.clone()),
        config: Arc::clone(config),
        container: listed.id.clone(),
    });
    let short = &listed.id[..listed.id.len().min(12)];
    let inspected = engine.inspect(&listed.id).await.ok().flatten();
    let address = inspected.and_then(|inspected| {
        let port = inspected.ports.keys().next()?;
        let port = port.strip_suffix("/tcp")?.parse().ok()?;
        let (published, own) = address(reach, &inspected, port)?;
        Some(own.unwrap_or(published))
    });
    let endpoint = address.map(|address| Endpoint {
        address,
        description: format!("docker container {short}"),
        outlives_tests: false,
        log: Arc::clone(&log) as _,
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = now.unwrap_or_default().as_secs();
    RunningServer {
        service: service.to_owned(),
        provider: "docker",
        name: short.to_owned(),
        age: Some(Duration::from_secs(age.saturating_sub(listed.created))),
        endpoint,
        log,
        end: Some(Box::new(ToRemove {
            engine: engine.clone(),
            id: listed.id.clone(),
        })),
    }
}

/// A container to remove.
struct ToRemove {
    engine: Engine,
    id: String,
}

impl End for ToRemove {
    fn end(&self) -> Pin<Box<dyn Future<Output = Result<bool>> + Send + '_>> {
        Box::pin(async {
            self.engine.remove(&self.id).await;
            Ok(self.engine.inspect(&self.id).await?.is_none())
        })
    }
}
