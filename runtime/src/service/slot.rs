//! What one test has of a server.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, service_variable};
use crate::lifecycle::Failures;
use crate::{Error, Result};

/// What one test has of a server, from its claim to its release.
pub trait Slot: Send + Sync + 'static {
    /// Returns what the test has, for people: `database shop_1`. The server is named beside it.
    #[must_use]
    fn description(&self) -> String;

    /// Returns how many of [`SlotRequest::seeds`] the claim has already applied; the rest goes
    /// through [`apply_seed`](Self::apply_seed).
    #[must_use]
    fn seeded(&self) -> usize {
        0
    }

    /// Applies a seed file that was declared for this service.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or applied. By default: the service has no seed files.
    fn apply_seed(&self, path: &Path) -> impl Future<Output = Result<()>> + Send {
        let error = Error::new(format!("apply the seed {}", path.display()))
            .because("this service has no seed files")
            .with_help("name an async function in `seeds(…)` instead");
        std::future::ready(Err(error))
    }

    /// Ends what of the slot lives on the test's runtime, such as a pool's connections.
    ///
    /// Called once, on the test's runtime, after the body and before that runtime ends. It must
    /// return soon also if the test still uses what it was given. `returned` is what is known so far:
    /// what is clean may yet turn out to be dirty.
    fn finish(&self, returned: Returned) -> impl Future<Output = ()> {
        let _ = returned;
        std::future::ready(())
    }

    /// Releases the slot. It does not run if the process is killed, or if the test has leaked its
    /// context: a claim must end with the process by itself.
    ///
    /// Called once, after the test's runtime has ended. On a server that outlives the tests, and in
    /// a process that runs one test only, the test waits until this has returned; elsewhere it runs
    /// beside the next test.
    fn release(self, returned: Returned) -> impl Future<Output = ()> + Send;

    /// Returns how people reach what a failed test had, with the passwords that it takes. Called
    /// before [`release`](Self::release) with [`Returned::Retained`]. By default there is nothing
    /// to look at.
    fn address(&self) -> Option<String> {
        None
    }

    /// Returns how people look at what a failed test had, such as the command of a client. On a
    /// server that the environment names, it has no password. Default: [`address`](Self::address).
    fn inspection(&self) -> Option<String> {
        None
    }

    /// Returns how people remove what a failed test had: a command. Default: it goes by itself.
    fn removal(&self) -> Option<String> {
        None
    }

    /// Returns what the server logged about this slot since it was claimed.
    fn log(&self) -> impl Future<Output = String> + Send {
        std::future::ready(String::new())
    }
}

/// How a test gives its slot back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Returned {
    /// The test's runtime has ended: nothing that ran on it can reach the slot any more.
    Clean,
    /// Something of the test may still run, such as blocking work that has not ended: the slot
    /// must not go to another test as long as this process lives.
    Dirty,
    /// The test has failed and people want to look at what it had: leave it as it is, for as long
    /// as the server lives.
    Retained,
}

/// The test that a slot is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlotRequest {
    /// 32 random hexadecimal digits, new for each test: a name for what no other test may reach.
    pub id: String,
    /// Path of the test function, such as `shop::orders::ships_them`.
    pub test: String,
    /// Directory of the test's `Cargo.toml`.
    pub directory: PathBuf,
    /// Name of the directory of the crate when it was compiled: often the package's name.
    pub package: String,
    /// Seed files of this service that come before any seed function, in the order declared. The
    /// claim may apply any number of the first ones: see [`Slot::seeded`].
    pub seeds: Vec<PathBuf>,
    /// Whether the whole server is for this test alone.
    pub exclusive: bool,
    /// Whether this process runs one test only, as those of nextest do.
    pub one_test_per_process: bool,
    /// Whether to say what was decided, as `CONTAINER_TEST_VERBOSE` asks for.
    pub verbose: bool,
    pub(crate) config: Arc<Config>,
    pub(crate) failures: Arc<Failures>,
}

impl SlotRequest {
    /// Returns a setting of a service from the environment: `variable("nats", "ACCOUNT")` reads
    /// `CONTAINER_TEST_NATS_ACCOUNT`.
    #[must_use]
    pub fn variable(&self, service: &str, name: &str) -> Option<&str> {
        self.config.variable(&service_variable(service, name))
    }
}
