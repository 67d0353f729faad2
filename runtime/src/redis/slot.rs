//! A test's keyspace, from claim to release.

use std::path::Path;
use std::sync::Arc;

use redis::ConnectionInfo;

use super::address::{info, redis_cli, url};
use super::command_file;
use super::options::{TEST_USER, failed};
use super::server::Server;
use crate::Result;
use crate::service::{Returned, Slot, SlotRequest};

/// A test's keyspace: a logical database, or a whole server.
pub struct TestKeyspace {
    server: Arc<Server>,
    number: i64,
    /// Whether the server is the test's own.
    exclusive: bool,
}

impl TestKeyspace {
    pub(super) async fn claim(server: Arc<Server>, request: &SlotRequest) -> Result<Self> {
        let exclusive = request.exclusive;
        let number = if exclusive {
            0
        } else {
            server.share().await?;
            let databases = request.variable("redis", "DATABASES");
            let batch = !request.one_test_per_process;
            let number = server.claim(databases, batch).await?;
            server.note_test(number, &request.test);
            if server.lease.has_ended() {
                // Numbers are claimed some ahead: the server may have ended since.
                let renewed = server.renew().await;
                renewed.map_err(failed("claim a Redis keyspace"))?;
            }
            number
        };
        Ok(Self {
            server,
            number,
            exclusive,
        })
    }

    /// Returns how the test connects.
    pub(super) fn info(&self) -> Result<ConnectionInfo> {
        info(&self.server.endpoint, TEST_USER, self.number)
    }

    /// Returns the URL of the keyspace, with its password.
    pub(super) fn url(&self) -> String {
        url(&self.server.endpoint, TEST_USER, self.number)
    }
}

impl Slot for TestKeyspace {
    fn description(&self) -> String {
        let Server { version, .. } = &*self.server;
        format!("redis {version}, logical database {}", self.number)
    }

    async fn apply_seed(&self, path: &Path) -> Result<()> {
        command_file::apply(path, &self.info()?).await
    }

    async fn release(self, returned: Returned) {
        if self.exclusive {
            return;
        }
        if returned == Returned::Retained {
            // If this fails, it is emptied once this process has ended.
            let _ = self.server.retain(self.number).await;
            return;
        }
        // What cannot be given back is freed when this process has ended.
        let dirty = returned == Returned::Dirty;
        let _ = self.server.give_back(self.number, dirty).await;
    }

    fn address(&self) -> Option<String> {
        Some(self.url())
    }

    fn inspection(&self) -> Option<String> {
        Some(redis_cli(&self.server.endpoint, &self.url()))
    }

    fn removal(&self) -> Option<String> {
        (!self.exclusive)
            .then(|| format!("{} FLUSHDB", redis_cli(&self.server.endpoint, &self.url())))
    }
}
