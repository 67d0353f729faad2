//! The reset of a test's database for a next test: by the session that the test began with, or by one
//! of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join;
use sqlx::{Connection, PgConnection, PgPool, Row};

use super::clones;
use super::reuse::recycle::{Known, Recycled, Reset, recycle};
use super::reuse::session::{Claimed, Session, Taken};
use super::slot::{Attempt, Origin, TestDatabase};
use super::sql::literal;
use super::template;
use crate::record::{self, Step};

/// How long a database may take to be recycled: one that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long sessions that the test has closed may take to leave.
pub(super) const PATIENCE_WITH_SESSIONS: Duration = Duration::from_millis(100);

/// The same while what the test has left running on its runtime may have some.
pub(super) const PATIENCE_WITH_TASKS: Duration = Duration::from_millis(10);

impl TestDatabase {
    /// Takes the session back from the pool, once all connections of the pool have come back.
    pub(super) async fn collect_session(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
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
            let is_ours = match self.mark {
                Some(mark) => only || Session::is(mark, &mut connection).await?,
                None => self.session().is_none(),
            };
            if is_ours {
                *self.session() = Some(connection);
            } else {
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Resets the database by the session of the test and gives it back, if that can be done with
    /// proof.
    pub(super) async fn recycle(&self, patience: Duration) -> Attempt {
        match self.take_session() {
            Some(connection) => self.recycle_by(&self.database, connection, patience).await,
            None => Attempt::Unfit,
        }
    }

    /// Does the same by a session of its own, in a database that may have been renamed.
    pub(super) async fn recycle_anew(&self) -> Attempt {
        let present = format!(
            "SELECT present_name(first_name({}))",
            literal(&self.database)
        );
        let present = self.server.ask(&present).await;
        let Ok(Some(database)) = present.and_then(|row| row.try_get::<Option<String>, _>(0)) else {
            return Attempt::Unfit;
        };
        let options = self.options().database(&database);
        let connect = PgConnection::connect_with(&options);
        let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, connect).await else {
            return Attempt::Unfit;
        };
        self.recycle_by(&database, connection, PATIENCE_WITH_SESSIONS)
            .await
    }

    async fn recycle_by(
        &self,
        database: &str,
        connection: PgConnection,
        patience: Duration,
    ) -> Attempt {
        let Origin::Clone {
            template,
            stats_reset,
            ..
        } = &self.origin
        else {
            return Attempt::Unfit;
        };
        let recycled = self.try_recycle(
            template,
            stats_reset.as_deref(),
            database,
            connection,
            patience,
        );
        self.server.sessions.begin(template);
        let limited = tokio::time::timeout(PATIENCE, recycled);
        let attempt = record::step(Step::Reset, "postgres", limited).await;
        self.server.sessions.end(template);
        // Whatever the reason that it cannot be done: to drop the database is right.
        match attempt {
            Ok(Ok(attempt)) => attempt,
            _ => Attempt::Unfit,
        }
    }

    async fn try_recycle(
        &self,
        template: &str,
        stats_reset: Option<&str>,
        database: &str,
        mut connection: PgConnection,
        patience: Duration,
    ) -> Result<Attempt, sqlx::Error> {
        // Statements that the session has prepared are closed with the others.
        let clearing = async {
            match self.mark {
                Some(_) => connection.clear_cached_statements().await,
                None => Ok(()),
            }
        };
        let (snapshot, cleared) = join(template::snapshot(&self.server, template), clearing).await;
        cleared?;
        let Some(snapshot) = snapshot? else {
            return Ok(Attempt::Unfit);
        };
        let renamed = clones::next_name(database);
        let known = Known {
            snapshot: &snapshot,
            database,
            renamed: &renamed,
            version: self.server.info.version_number,
            stats_reset,
            mark: self.mark,
            patience,
        };
        let recycled = recycle(&mut connection, &known).await;
        let Ok(Recycled::Yes(Reset {
            stats_reset,
            as_new,
        })) = recycled
        else {
            // Its backend ends by itself, and no test waits for that.
            let _ = connection.close_hard().await;
            return Ok(match recycled {
                Ok(Recycled::InUse) => Attempt::InUse,
                _ => Attempt::Unfit,
            });
        };
        let stats_reset = stats_reset.as_deref();
        let Some(mark) = self.mark.filter(|_| as_new) else {
            connection.close_hard().await?;
            let given = self.give_back(&renamed, stats_reset, "false, NULL").await?;
            return Ok(recycled_if(given));
        };
        let next = self.server.sessions.next_waiting(template);
        let to = next.as_ref().map(|next| literal(&next.test));
        let to = format!("true, {}", to.as_deref().unwrap_or("NULL"));
        let given = self.give_back(&renamed, stats_reset, &to).await?;
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
                    claimed: Claimed::Yes {
                        stats_reset: stats_reset.map(str::to_owned),
                    },
                };
                // If that test has ended meanwhile, the database is nobody's.
                Ok(recycled_if(next.answer.send(taken).is_ok()))
            }
            None if given => {
                self.park(renamed, session);
                Ok(Attempt::Recycled)
            }
            _ => Ok(Attempt::Unfit),
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

fn recycled_if(given: bool) -> Attempt {
    if given {
        Attempt::Recycled
    } else {
        Attempt::Unfit
    }
}
