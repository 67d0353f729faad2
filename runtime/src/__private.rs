//! What expansions of the attribute name; not for use by hand, may change in any release.

use crate::Result;
pub use crate::inject::{inject, inject_from};
#[cfg(feature = "postgres")]
pub use crate::postgres::{code, inline};
use crate::process::Process;
pub use crate::provider::{
    Examined, FoundCache, FoundEngine, FoundImage, FoundProgram, Left, Machine, Room,
    RunningServer, RunningTest,
};
pub use crate::record::{OfBox, OfError, OfOther, Output};
pub use crate::run::{Flavor, Test};
pub use crate::seeds::{Async, Plain};
use crate::service::{ServerSpec, Service};

/// Examines which providers of a service can be used, for the command line.
#[doc(hidden)]
pub async fn examine<S: Service>(service: &S) -> Result<Vec<Examined>> {
    Process::current().examine(service).await
}

/// Looks at what the machine has for the servers of these specs, for the command line.
#[doc(hidden)]
pub async fn machine(specs: Vec<ServerSpec>) -> Result<Machine> {
    Process::current().machine(specs).await
}

/// Returns the servers that run: those that tests of this user have started, and those given by
/// URL.
#[doc(hidden)]
pub async fn running() -> Result<Vec<RunningServer>> {
    let specs = vec![
        #[cfg(feature = "postgres")]
        crate::Postgres::default().spec()?,
        #[cfg(feature = "redis")]
        crate::Redis::default().spec()?,
    ];
    Process::current().running(specs).await
}

/// Returns what tests have of a server; nothing of services that do not say.
#[doc(hidden)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "redis")),
    allow(clippy::unused_async, reason = "there is no service that says")
)]
pub async fn running_tests(server: &RunningServer) -> Result<Vec<RunningTest>> {
    let Some(endpoint) = &server.endpoint else {
        return Ok(Vec::new());
    };
    match server.service.as_str() {
        #[cfg(feature = "postgres")]
        "postgres" => crate::postgres::running_tests(endpoint).await,
        #[cfg(feature = "redis")]
        "redis" => crate::redis_service::running_tests(endpoint).await,
        _ => {
            let _ = endpoint;
            Ok(Vec::new())
        }
    }
}

/// Makes a text of an option.
#[must_use]
pub fn text(text: &'static str) -> String {
    text.to_owned()
}
