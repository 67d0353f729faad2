//! Which test has which logical database, for people who want to look at it while it runs.
//!
//! The name is noted on the server a moment later: most tests have ended by then, and nothing is
//! asked for them.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;

use super::scripts::TESTS;
use super::server::Server;
use crate::service::Address;

/// How long a test has a database before that is noted.
const AFTER: Duration = Duration::from_millis(20);

impl Server {
    /// Has it noted which test has a database. On a server given by URL nothing is noted.
    pub(super) fn note_test(&self, number: i64, test: &str) {
        if let Address::Started { .. } = self.endpoint.address() {
            self.numbers().unnoted.insert(number, test.to_owned());
            self.noting.notify_one();
        }
    }

    /// Notes names for as long as the server is in use. Must be called on the background thread.
    pub(super) fn keep_noting(self: &Arc<Self>) {
        let (noting, server) = (Arc::clone(&self.noting), Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                noting.notified().await;
                tokio::time::sleep(AFTER).await;
                let Some(server) = server.upgrade() else {
                    return;
                };
                // What is not known cannot be looked at: no test fails for that.
                let _ = server.note_all().await;
            }
        });
    }

    /// Notes all names that are not noted yet.
    pub(super) async fn note_all(&self) -> RedisResult<()> {
        let tests: Vec<(i64, String)> = self.numbers().unnoted.drain().collect();
        if tests.is_empty() {
            return Ok(());
        }
        let () = self.ask(redis::cmd("HSET").arg(TESTS).arg(&tests)).await?;
        // A test that has ended meanwhile has nothing to look at.
        let ended: Vec<i64> = {
            let taken = &self.numbers().taken;
            let numbers = tests.iter().map(|(number, _)| *number);
            numbers.filter(|number| !taken.contains(number)).collect()
        };
        if ended.is_empty() {
            return Ok(());
        }
        self.ask(redis::cmd("HDEL").arg(TESTS).arg(&ended)).await
    }
}
