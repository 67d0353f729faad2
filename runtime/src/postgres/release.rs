//! The end of a test's use of its database: it is recycled, dropped or retained.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Connection, Row};

use super::address;
use super::clones::top_up;
use super::drops::drop_claimed;
use super::failure::failed;
use super::log::lines_of;
use super::reset::{PATIENCE_WITH_SESSIONS, PATIENCE_WITH_TASKS};
use super::script::Script;
use super::slot::{Attempt, Origin, Reuse, TestDatabase};
use super::sql::literal;
use super::sweep::sweep;
use crate::background::entered;
use crate::record::{self, Step};
use crate::service::{Returned, Slot};
use crate::{Result, report};

/// How long connections that the test has used may take to come back to its pool.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(100);

/// How long the pool may take to close: the test's runtime ends next, and with it what is left.
const PATIENCE_WITH_POOL: Duration = Duration::from_millis(250);

/// How long the end of a test waits for what dead processes have left to be dropped.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(30);

/// How often the log is looked at for what a failed test has caused, and the time between.
const LOG_LOOKS: u32 = 3;
const LOG_PAUSE: Duration = Duration::from_millis(100);

impl Slot for TestDatabase {
    fn description(&self) -> String {
        format!(
            "postgres {}, database {}",
            self.server.info.version, self.database
        )
    }

    fn seeded(&self) -> usize {
        self.seeded
    }

    async fn apply_seed(&self, path: &Path) -> Result<()> {
        let script = Script::read(path)?;
        let options = address::writable(self.options());
        let connected = self.server.connect(&options).await;
        let mut connection = connected.map_err(failed("connect to the test's database"))?;
        script.apply(&mut connection).await?;
        // The work is done; what is not closed properly is closed by the server.
        let _ = connection.close().await;
        Ok(())
    }

    async fn finish(&self, returned: Returned) {
        let _ = tokio::time::timeout(PATIENCE_WITH_POOL, self.pools.close()).await;
        let Some(pool) = self.pool.get() else {
            return;
        };
        let reuse = self.origin.reuse();
        // Sessions that it opens in another way may write without being counted.
        let first = self.connect_options.get();
        let unchanged = first.is_some_and(|first| Arc::ptr_eq(first, &pool.connect_options()));
        if reuse != Reuse::Nothing && unchanged {
            // Connections that the test still holds may yet write: without the session the database
            // is dropped.
            let collect = self.collect_session(pool);
            let _ = tokio::time::timeout(PATIENCE_WITH_TEST, collect).await;
        }
        let _ = tokio::time::timeout(PATIENCE_WITH_POOL, pool.close()).await;
        // A session of the pool ends with the test's runtime. What the test has left running there
        // cannot reach the database once that has another name.
        let used = self.made.load(Ordering::Relaxed) > 0;
        if reuse == Reuse::Database && returned == Returned::Clean && used {
            let recycle = self.recycle(PATIENCE_WITH_TASKS);
            let attempt = entered(&self.background, recycle).await;
            let _ = self.attempt.set(attempt);
        }
    }

    async fn release(mut self, returned: Returned) {
        // Its sockets were those of the test's runtime.
        drop(self.pool.take());
        if self.attempt.get() == Some(&Attempt::Recycled) {
            // It may be another test's by now.
            return;
        }
        let reuse = self.origin.reuse();
        let attempt = match (returned, reuse) {
            (Returned::Clean, Reuse::Session) => self.recycle(PATIENCE_WITH_SESSIONS).await,
            (Returned::Clean, Reuse::Database) => match self.attempt.get() {
                None | Some(Attempt::InUse) => self.recycle_anew().await,
                Some(attempt) => *attempt,
            },
            _ => Attempt::Unfit,
        };
        if attempt == Attempt::Recycled {
            return;
        }
        let Origin::Clone {
            template,
            prewarmed,
            ..
        } = std::mem::replace(&mut self.origin, Origin::OwnServer)
        else {
            return;
        };
        if returned == Returned::Retained {
            let retain = format!(
                "WITH retained AS (UPDATE claim SET retained = true WHERE database = first_name({}) RETURNING 1) SELECT 1",
                literal(&self.database)
            );
            // If this fails, the database is dropped later.
            let _ = self.server.ask(&retain).await;
            return;
        }
        drop(self.take_session());
        let (server, database) = (self.server, self.database);
        if server.endpoint.outlives_tests() {
            // What is left is dropped by the next process.
            let dropping = drop_claimed(&server, &database);
            let _ = record::step(Step::Drop, "postgres", dropping).await;
            // This process may end next, and with it the sweep.
            let sweep = tokio::time::timeout(PATIENCE_WITH_OTHERS, sweep(&server));
            let sweeping = || {
                let server = server.endpoint.description();
                format!("dropping what processes that were killed have left on the {server}")
            };
            let _ = report::waiting(sweeping, sweep).await;
        } else {
            tokio::spawn(record::carried(async move {
                // What is left goes with the server.
                let dropping = drop_claimed(&server, &database);
                let _ = record::step(Step::Drop, "postgres", dropping).await;
                if prewarmed {
                    top_up(&server, template);
                }
            }));
        }
    }

    fn address(&self) -> Option<String> {
        Some(self.url())
    }

    fn inspection(&self) -> Option<String> {
        Some(address::psql(&self.server.endpoint, &self.url()))
    }

    fn removal(&self) -> Option<String> {
        match self.origin {
            // It goes with the server.
            Origin::OwnServer => None,
            Origin::Clone { .. } => Some(address::dropping(&self.server.endpoint, &self.database)),
        }
    }

    async fn log(&self) -> String {
        // As the server's log has times.
        const SINCE: &str = "to_char(since AT TIME ZONE current_setting('log_timezone'), 'YYYY-MM-DD HH24:MI:SS.MS')";
        let since = format!(
            "SELECT coalesce((SELECT {SINCE} FROM claim WHERE database = first_name({})), '')",
            literal(&self.database)
        );
        let since = self.server.ask(&since).await;
        let since: String = since.and_then(|row| row.try_get(0)).unwrap_or_default();
        // An engine takes a moment to store what a server says.
        for _ in 0..LOG_LOOKS {
            let log = self.server.endpoint.log_tail(500).await;
            let ours = lines_of(&log, [&self.database, &self.opened_in], &since);
            if log.is_empty() || !ours.is_empty() {
                return ours;
            }
            tokio::time::sleep(LOG_PAUSE).await;
        }
        String::new()
    }
}
