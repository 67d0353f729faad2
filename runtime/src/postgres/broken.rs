//! Schemas that cannot be applied: the tests that come next fail at once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::options::Postgres;
use crate::lifecycle::Failures;
use crate::service::{Service, SlotRequest};
use crate::{Error, Result};

/// What is known of schemas that could not be applied on servers with some options.
pub(super) struct Broken {
    failures: Arc<Failures>,
    test: String,
    /// Distinguishes servers: a schema may need what only one of them has.
    server: u64,
}

impl Broken {
    /// Returns what is known when a test makes a template.
    pub(super) fn known_to(request: &SlotRequest, options: &Postgres) -> Result<Self> {
        let mut server = DefaultHasher::new();
        options.spec()?.hash(&mut server);
        Ok(Self {
            failures: Arc::clone(&request.failures),
            test: request.test.clone(),
            server: server.finish(),
        })
    }

    /// Returns why a template cannot be made, if that is known. Its name has the hash of the whole
    /// schema: one that was corrected has another name.
    pub(super) fn recall(&self, template: &str) -> Option<Error> {
        self.failures.recall_in_run(&self.key(template))
    }

    /// Stores why a template could not be made, if another try would fail as well.
    pub(super) fn remember(&self, template: &str, error: &Error) {
        let key = self.key(template);
        self.failures.remember_in_run(&key, &self.test, error);
    }

    fn key(&self, template: &str) -> String {
        format!("{template} on {:x}", self.server)
    }
}
