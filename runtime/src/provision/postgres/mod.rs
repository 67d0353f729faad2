//! Databases on a shared PostgreSQL server: claimed, cloned ahead, recycled or dropped.

mod databases;
mod finish;
mod lease;
mod obstacles;
mod profile;
mod recycle;
mod server;
mod session;
mod template;

use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, Postgres};
use sqlx::{ConnectOptions, PgConnection, PgPool};

pub(crate) use self::server::{Server, forget};

use self::session::{Mark, Session};

use crate::migrations::Schema;
use crate::provider::{NO_ROOM, Wanted};
use crate::{Error, Result, background};

/// What a test's database is made from.
pub(crate) struct Request {
    pub(crate) test: String,
    pub(crate) schema: Arc<Schema>,
    /// The role that the test connects as, if it names one.
    pub(crate) user: Option<String>,
    /// Readable part of the database's name.
    pub(crate) label: String,
    /// The whole name, on a server of the test's own.
    pub(crate) name: Option<String>,
    /// Whether the database may serve another test once it is proven to be as new.
    pub(crate) recycle: bool,
}

/// A test's database, from claim to release.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) server: Arc<Server>,
    database: String,
    template: String,
    user: String,
    /// Whether clones are made ahead of tests like this.
    ahead: bool,
    recycle: bool,
    /// When the counters of its statistics were set to zero, if ever.
    stats_reset: Option<String>,
    /// A session in the database that may serve the next test as well, until a pool takes it.
    session: Mutex<Option<Session>>,
    mark: Option<Mark>,
    /// How many connections the pool has made, that one included.
    made: Arc<AtomicUsize>,
}

/// Gives a test a database of its own on the server that it wants.
pub(crate) async fn claim(
    wanted: &Wanted,
    request: impl Future<Output = Result<Request>>,
) -> Result<Claim> {
    let (server, request) = tokio::join!(server::server(wanted), request);
    let request = Arc::new(request?);
    let server = server?;
    match databases::claim(&server, &request).await {
        Ok(claim) => Ok(claim),
        // The server was stopping just when it was found: the next one will do.
        Err(_) if server.is_gone().await => {
            forget(wanted);
            let server = server::server(wanted).await?;
            databases::claim(&server, &request).await
        }
        Err(mut error) => {
            if error.report().contains(NO_ROOM) {
                error = error.with_help(
                    "make room where the server keeps its data; a local server's can be elsewhere: CONTAINER_TEST_DATA_DIR",
                );
            }
            Err(error.note(format!(
                "on postgres {}, {}",
                server.version, server.endpoint.place
            )))
        }
    }
}

impl Claim {
    /// How the test connects.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server
            .admin
            .clone()
            .username(&self.user)
            .database(&self.database)
    }

    /// A connection beside the pool.
    pub(crate) async fn connect(&self) -> Result<PgConnection> {
        let connected = self.server.connect(&self.options()).await;
        connected.map_err(|error| Error::new("connect to the test's database").because(error))
    }

    /// The test's pool.
    pub(crate) async fn pool(&self) -> PgPool {
        let settings = PoolOptions::<Postgres>::new()
            .max_connections(self.server.pool_size())
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        match self.take_session() {
            Some(session) => {
                session::pool(session, settings, self.options(), Arc::clone(&self.made)).await
            }
            None => settings.connect_lazy_with(self.options()),
        }
    }

    fn take_session(&self) -> Option<Session> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Where the database is, for people.
    pub(crate) fn place(&self) -> String {
        let Server {
            version, endpoint, ..
        } = &*self.server;
        format!(
            "postgres {version}, {}, database {}",
            endpoint.place, self.database
        )
    }

    /// Keeps the database beyond this process, and says where it is.
    pub(crate) async fn keep(&self) -> String {
        let (server, database) = (Arc::clone(&self.server), self.database.clone());
        // If this fails, the database is dropped later: no reason to fail the report.
        let _ = background::run(async move {
            sqlx::query("UPDATE claim SET kept = true WHERE database = $1")
                .bind(database)
                .execute(&mut *server.lease.lock().await)
                .await
                .map_err(|error| Error::new("keep the database").because(error))
        })
        .await;
        self.options().to_url_lossy().to_string()
    }

    /// What the server logged about the database since this test has it.
    pub(crate) async fn log(&self) -> String {
        // As the server's log has times.
        const SINCE: &str = "
            SELECT to_char(since AT TIME ZONE current_setting('log_timezone'), 'YYYY-MM-DD HH24:MI:SS.MS')
            FROM claim WHERE database = $1";
        let (server, database) = (Arc::clone(&self.server), self.database.clone());
        let read = background::run(async move {
            let log = server.endpoint.log_tail(500).await;
            if log.is_empty() {
                return Ok((log, String::new()));
            }
            let since = sqlx::query_scalar(SINCE).bind(database);
            let since = since.fetch_one(&mut *server.lease.lock().await).await;
            let failed = |error| Error::new("ask when the test began").because(error);
            Ok((log, since.map_err(failed)?))
        });
        let (log, since): (String, String) = read.await.unwrap_or_default();
        let tag = format!(" {} ", self.database);
        let mut ours = false;
        let mut text = String::new();
        for line in log.lines() {
            // Lines of a message after its first have no prefix.
            ours = if line.starts_with('\t') {
                ours
            } else {
                line.contains(&tag) && line >= since.as_str()
            };
            if ours {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Ends the test's use of the database, on the test's runtime: closes its pool, and finds
    /// out whether the database is as new again, unless its session can do that without us.
    pub(crate) async fn finish(&self, pool: Option<&PgPool>) -> Finished {
        let finished = finish::finish(self, pool).await;
        if let Some(pool) = pool {
            // A test that still holds a connection must not keep us: its runtime ends next.
            let _ = tokio::time::timeout(Duration::from_millis(250), pool.close()).await;
        }
        finished
    }

    /// Gives the database back: to the next test if it is as new, else it is dropped.
    pub(crate) fn release(self, finished: Finished) {
        let session = match finished {
            Finished::AsNew => return,
            Finished::Used => None,
            Finished::Idle(session) => {
                self.server.kept.begin(&self.template);
                Some(session)
            }
        };
        let wait = self.server.endpoint.outlives_us();
        let work = async move {
            if let Some(session) = session {
                let as_new = finish::recycle_idle(&self, session).await;
                self.server.kept.end(&self.template);
                if as_new {
                    return;
                }
            }
            // What is left is dropped by whoever comes next, or goes with the server.
            let _ = databases::drop_database(&self.server, &self.database).await;
            if self.ahead {
                databases::top_up(&self.server, self.template);
            }
        };
        if wait {
            background::wait(work);
        } else {
            background::start_task(work);
        }
    }
}

/// How a test left its database.
#[derive(Debug)]
pub(crate) enum Finished {
    /// It equals its template again, and was given back.
    AsNew,
    /// It was changed, or may have been.
    Used,
    /// It may be as new once more, and only its session is left in it.
    Idle(PgConnection),
}
