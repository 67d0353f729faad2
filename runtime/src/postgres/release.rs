//! The end of a test's use of its database: it is recycled, dropped or retained.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join;
use sqlx::{Connection, PgConnection, PgPool, Row};

use super::address;
use super::clones::{self, top_up};
use super::drops::drop_claimed;
use super::failure::failed;
use super::log::lines_of;
use super::reuse::recycle::{Known, Reset, recycle};
use super::reuse::session::{Claimed, Mark, Session, Taken};
use super::script::Script;
use super::slot::{Origin, TestDatabase};
use super::sql::literal;
use super::sweep::sweep;
use super::template;
use crate::record::{self, Step};
use crate::service::{Returned, Slot};
use crate::{Result, report};

/// How long a database may take to be recycled: one that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long connections that the test has used may take to come back to its pool.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(100);

/// How long the pool may take to close: the test's runtime ends next, and with it what is left.
const PATIENCE_WITH_POOL: Duration = Duration::from_millis(250);

/// How long the end of a test waits for what dead processes have left to be dropped.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(30);

/// How often the log is looked at for what a failed test has caused, and the time between.
const LOG_LOOKS: u32 = 3;
const LOG_PAUSE: Duration = Duration::from_millis(100);

impl TestDatabase {
    /// Takes the session back from the pool, once all connections of the pool have come back.
    async fn collect_session(&self, pool: &PgPool, mark: Mark) -> Result<(), sqlx::Error> {
        if pool.size() == 0 || pool.is_closed() {
            return Ok(());
        }
        // Connections that the test has just let go of come back once the server has answered.
        for round in 0.. {
            if pool.num_idle() >= pool.size() as usize {
                break;
            }
            if round < 100 {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        // If the pool has made only one, this is the session.
        let only = self.made.load(Ordering::Relaxed) == 1;
        while let Some(connection) = pool.try_acquire() {
            let mut connection = connection.detach();
            if only || Session::is(mark, &mut connection).await? {
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
            } else {
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Resets the database and gives it back; returns whether that could be done with proof.
    async fn recycle(&self, template: &str, stats_reset: Option<&str>) -> bool {
        let (Some(connection), Some(mark)) = (self.take_session(), self.mark) else {
            return false;
        };
        let recycled = self.try_recycle(template, stats_reset, connection, mark);
        // Whatever the reason that it cannot be done: to drop the database is right.
        matches!(tokio::time::timeout(PATIENCE, recycled).await, Ok(Ok(true)))
    }

    async fn try_recycle(
        &self,
        template: &str,
        stats_reset: Option<&str>,
        mut connection: PgConnection,
        mark: Mark,
    ) -> Result<bool, sqlx::Error> {
        // Statements that the session has prepared are closed with the others.
        let clearing = connection.clear_cached_statements();
        let (snapshot, cleared) = join(template::snapshot(&self.server, template), clearing).await;
        cleared?;
        let Some(snapshot) = snapshot? else {
            return Ok(false);
        };
        let renamed = clones::next_name(&self.database);
        let known = Known {
            snapshot: &snapshot,
            database: &self.database,
            renamed: &renamed,
            version: self.server.info.version_number,
            stats_reset,
            mark,
        };
        let recycled = recycle(&mut connection, &known).await;
        let Ok(Some(Reset {
            stats_reset,
            as_new,
        })) = recycled
        else {
            // Its backend ends by itself, and no test waits for that.
            connection.close_hard().await?;
            return recycled.map(|_| false);
        };
        let next = if as_new {
            self.server.sessions.next_waiting(template)
        } else {
            connection.close_hard().await?;
            return self
                .give_back(&renamed, stats_reset.as_deref(), "false, NULL")
                .await;
        };
        let to = next.as_ref().map(|next| literal(&next.test));
        let to = format!("true, {}", to.as_deref().unwrap_or("NULL"));
        let given = self
            .give_back(&renamed, stats_reset.as_deref(), &to)
            .await?;
        let session = Session {
            connection,
            mark,
            opened_in: self.opened_in.clone(),
        };
        match next {
            Some(next) if given => {
                let taken = Taken {
                    database: renamed,
                    session,
                    claimed: Claimed::Yes { stats_reset },
                };
                // If that test has ended meanwhile, the database is nobody's.
                Ok(next.answer.send(taken).is_ok())
            }
            None if given => {
                self.park(renamed, session);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Gives a database back that was reset.
    async fn give_back(
        &self,
        database: &str,
        stats_reset: Option<&str>,
        to: &str,
    ) -> Result<bool, sqlx::Error> {
        let reset = stats_reset.map(literal);
        let give_back = format!(
            "SELECT give_back({}, {}, {to})",
            literal(database),
            reset.as_deref().unwrap_or("NULL")
        );
        self.server.ask(&give_back).await?.try_get(0)
    }

    /// Parks a session in a database for a next test of this process. The one that was parked for
    /// longest may have to make way, and its database is free then.
    fn park(&self, database: String, session: Session) {
        let oldest = self.server.sessions.put(database, session);
        let Some((database, session)) = oldest else {
            return;
        };
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            // What is not given back now is given back when this process has ended.
            let _ = session.connection.close().await;
            let free = format!(
                "SELECT count(free(c)) FROM claim c WHERE c.parked AND c.database = first_name({})",
                literal(&database)
            );
            let _ = server.ask(&free).await;
        });
    }
}

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

    async fn finish(&self) {
        let _ = tokio::time::timeout(PATIENCE_WITH_POOL, self.pools.close()).await;
        let Some(pool) = self.pool.get() else {
            return;
        };
        if let Some(mark) = self.mark {
            // Connections that the test still holds may yet write: without the session the database
            // is dropped.
            let collect = self.collect_session(pool, mark);
            let _ = tokio::time::timeout(PATIENCE_WITH_TEST, collect).await;
        }
        let _ = tokio::time::timeout(PATIENCE_WITH_POOL, pool.close()).await;
    }

    async fn release(mut self, returned: Returned) {
        // Its sockets were those of the test's runtime.
        drop(self.pool.take());
        let Origin::Clone {
            template,
            prewarmed,
            recycle,
            stats_reset,
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
        if recycle && returned == Returned::Clean {
            self.server.sessions.begin(&template);
            let reset = self.recycle(&template, stats_reset.as_deref());
            let recycled = record::step(Step::Reset, "postgres", reset).await;
            self.server.sessions.end(&template);
            if recycled {
                return;
            }
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
