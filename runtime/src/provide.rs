//! From what a test declares to what it has: servers are found or started at the same time, then
//! slots are claimed: on servers one after another, without a server all at once.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{join, join_all};

use crate::context::{Held, TestContext};
use crate::process::{Asked, Opened, Process, Wanted};
use crate::record::{self, Step};
use crate::seeds::{self, Seed};
use crate::service::{Returned, Service, SlotRequest};
use crate::{Result, hash};

/// Everything that a test, or a builder, declares.
pub(crate) struct Plan {
    /// Path of the test function, or the builder's name.
    pub(crate) name: String,
    /// Directory of the crate's `Cargo.toml` when it was compiled.
    pub(crate) manifest_dir: String,
    pub(crate) services: Vec<Box<dyn Declaration>>,
    pub(crate) seeds: Vec<Seed>,
    /// Whether the function has `#[should_panic]`.
    pub(crate) should_panic: bool,
}

impl Plan {
    pub(crate) fn new(name: String, manifest_dir: String) -> Self {
        Self {
            name,
            manifest_dir,
            services: Vec::new(),
            seeds: Vec::new(),
            should_panic: false,
        }
    }

    /// Declares a service under a name.
    pub(crate) fn declare<S: Service>(&mut self, name: &'static str, service: S) {
        self.services.push(Box::new(Declared {
            name,
            service: Arc::new(service),
        }));
    }

    /// Claims what is declared.
    pub(crate) async fn provide(&self, process: &Arc<Process>) -> Result<TestContext> {
        let directory = process.config.crate_directory(&self.manifest_dir);
        let services = self.services.iter();
        let finding = services.map(|declared| {
            let request = self.request(process, &directory, declared.name());
            async move { declared.find(process, request?).await }
        });
        let found: Result<Vec<Found>> = join_all(finding).await.into_iter().collect();
        let services = self.services.iter().map(|declared| &**declared);
        let found = services.zip(found?);
        let (free, mut scarce): (Vec<_>, Vec<_>) =
            found.partition(|(_, found)| found.wanted.spec.without_server);
        // Always in the same order: where two services are scarce, two tests that wait for each
        // other's would wait for ever.
        scarce.sort_by_key(|(declared, _)| declared.service());
        let in_order = async {
            let mut claimed = Vec::new();
            for (declared, found) in scarce {
                claimed.push(declared.claim(process, found).await);
                if claimed.last().is_some_and(Result::is_err) {
                    break;
                }
            }
            claimed
        };
        let free = free
            .into_iter()
            .map(|(declared, found)| declared.claim(process, found));
        let (in_order, free) = join(in_order, join_all(free)).await;
        let (mut slots, mut failure) = (Vec::new(), None);
        for claimed in in_order.into_iter().chain(free) {
            match claimed {
                Ok(held) => slots.push(held),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let cx = TestContext::new(self.name.clone(), directory, Arc::clone(process), slots);
        match failure {
            None => Ok(cx),
            Some(error) => {
                cx.release(Returned::Clean);
                Err(error)
            }
        }
    }

    /// What the service of this name is asked for, on a server that other tests use, too.
    fn request(&self, process: &Process, directory: &Path, name: &str) -> Result<SlotRequest> {
        let package = Path::new(&self.manifest_dir).file_name();
        let seeds = seeds::leading_files(&self.seeds, name);
        Ok(SlotRequest {
            id: hash::random()?,
            test: self.name.clone(),
            directory: directory.to_owned(),
            package: package.unwrap_or_default().to_string_lossy().into_owned(),
            seeds: seeds.iter().map(|path| directory.join(path)).collect(),
            exclusive: false,
            one_test_per_process: process.config.one_test_per_process(),
            verbose: process.config.verbose(),
            config: Arc::clone(&process.config),
            failures: Arc::clone(&process.failures),
        })
    }
}

/// A server that was found for a declaration.
pub(crate) struct Found {
    wanted: Wanted,
    opened: Opened,
    request: SlotRequest,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A declared service of any kind.
pub(crate) trait Declaration: Send {
    /// Returns the name of the declaration.
    fn name(&self) -> &'static str;

    /// Returns the name of the service.
    fn service(&self) -> &'static str;

    /// Finds or starts the server.
    fn find<'a>(
        &'a self,
        process: &'a Arc<Process>,
        request: SlotRequest,
    ) -> BoxFuture<'a, Result<Found>>;

    /// Claims a slot on it.
    fn claim<'a>(&'a self, process: &'a Arc<Process>, found: Found) -> BoxFuture<'a, Result<Held>>;
}

struct Declared<S> {
    name: &'static str,
    service: Arc<S>,
}

impl<S: Service> Declaration for Declared<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn service(&self) -> &'static str {
        S::NAME
    }

    fn find<'a>(
        &'a self,
        process: &'a Arc<Process>,
        mut request: SlotRequest,
    ) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async {
            let wanted = Wanted::by(&*self.service)?;
            request.exclusive = wanted.spec.exclusive;
            let opened = match process.server::<S>(&wanted, &request.test) {
                Asked::Opened(opened) => opened,
                Asked::Opening(opening) => {
                    let opening = record::step(Step::Server, self.name, opening);
                    let prepare = async { self.service.prepare(&request) };
                    join(opening, prepare).await.0?
                }
            };
            Ok(Found {
                wanted,
                opened,
                request,
            })
        })
    }

    fn claim<'a>(&'a self, process: &'a Arc<Process>, found: Found) -> BoxFuture<'a, Result<Held>> {
        Box::pin(async move {
            let Found {
                wanted,
                opened,
                request,
            } = found;
            match self.claim_on(process, &opened, request.clone()).await {
                Ok(held) => Ok(held),
                // The server was stopping when it was found: the next one will do.
                Err(_) if is_gone::<S>(process, &opened).await => {
                    process.forget(&wanted);
                    let opened = process.server::<S>(&wanted, &request.test);
                    let opened = opened.opened().await?;
                    self.claim_on(process, &opened, request).await
                }
                Err(error) => Err(error.note(match opened.endpoint.description() {
                    "" => format!("service {}", self.name),
                    server => format!("service {}, on {server}", self.name),
                })),
            }
        })
    }
}

impl<S: Service> Declared<S> {
    async fn claim_on(
        &self,
        process: &Process,
        opened: &Opened,
        request: SlotRequest,
    ) -> Result<Held> {
        let (service, server) = (Arc::clone(&self.service), opened.server::<S>()?);
        let claim = async move { service.claim(server, request).await };
        let claim = process.background.run(claim);
        let slot = record::step(Step::Claim, self.name, claim).await;
        Ok(Held {
            name: self.name,
            endpoint: opened.endpoint.clone(),
            slot: Arc::new(slot.map_err(|error| error.described_by(S::describe_error))?),
            describe_error: S::describe_error,
        })
    }
}

async fn is_gone<S: Service>(process: &Process, opened: &Opened) -> bool {
    let Ok(server) = opened.server::<S>() else {
        return false;
    };
    let endpoint = opened.endpoint.clone();
    let ask = async move { Ok(endpoint.is_closed().await || S::is_gone(&server).await) };
    process.background.run(ask).await.unwrap_or(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::Builder;
    use crate::service::{Endpoint, OpenError, ServerSpec, Slot};

    /// What was called, in order.
    static CALLS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

    fn called(what: &'static str) {
        CALLS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    #[derive(Debug, Default)]
    struct Told;

    impl Slot for Told {
        fn description(&self) -> String {
            "told".to_owned()
        }

        async fn release(self, _: Returned) {}
    }

    impl Service for Told {
        const NAME: &'static str = "told";
        type Server = ();
        type Slot = Self;

        fn spec(&self) -> Result<ServerSpec> {
            Ok(ServerSpec::without_server(Self::NAME))
        }

        fn prepare(&self, request: &SlotRequest) {
            assert_eq!(request.test, "a test");
            called("prepare");
        }

        async fn open(_: Endpoint) -> Result<(), OpenError> {
            // On the background thread, while the test's own prepares.
            tokio::task::yield_now().await;
            called("open");
            Ok(())
        }

        async fn claim(&self, _: Arc<()>, _: SlotRequest) -> Result<Self> {
            called("claim");
            Ok(Self)
        }
    }

    #[test]
    fn a_test_prepares_its_claim_unless_the_process_has_the_server() {
        for _ in 0..2 {
            let test = Builder::new("a test", env!("CARGO_MANIFEST_DIR")).service(Told);
            test.run(async |_| Ok(())).unwrap();
        }
        let mut calls = CALLS.lock().unwrap().clone();
        calls[..2].sort_unstable();
        assert_eq!(calls, ["open", "prepare", "claim", "claim"]);
    }
}
