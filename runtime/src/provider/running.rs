//! Servers that run now: those that tests of this user have started, and those given by URL.

use std::sync::Arc;

use super::running_server::RunningServer;
use super::{docker, external, local, select};
use crate::Result;
use crate::config::{Config, url_variable};
use crate::service::ServerSpec;

/// The providers that can be asked for.
const PROVIDERS: [&str; 3] = ["docker", "local", "external"];

/// Returns the servers that run, of all providers that may be used. The specs say which services
/// may be given by URL, and as which users local servers run.
pub(super) async fn running(
    config: &Arc<Config>,
    specs: &[ServerSpec],
) -> Result<Vec<RunningServer>> {
    let forced = config.provider();
    let may_be = |provider| forced.is_none_or(|forced| forced == provider);
    if let Some(other) = forced.filter(|forced| !PROVIDERS.contains(forced)) {
        return Err(select::no_provider(other));
    }
    let mut servers = Vec::new();
    if may_be("docker") {
        match docker::connect(config).await {
            Ok(engine) => servers.extend(docker::running(&engine, config).await),
            // An engine that does not answer has no servers of ours.
            Err(_) if forced.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    if may_be("local") {
        servers.extend(local::running(config, specs)?);
    }
    if may_be("external") {
        let given = specs.iter().filter_map(|spec| {
            let url = config.variable(&url_variable(spec.service))?;
            Some(external::running(spec.service, url))
        });
        servers.extend(given);
    }
    servers.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    Ok(servers)
}
