//! A PostgreSQL server that this process uses: its lease, its connections.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};
use tokio::sync::{Mutex, OnceCell};

use super::address;
use super::failure::{code, failed, is_lost};
use super::lease::{self, ServerInfo};
use super::reuse::session::Sessions;
use super::reuse::snapshot::Snapshot;
use super::sql::{literal, quoted};
use crate::background::watch_lease;
use crate::once::Once;
use crate::service::{ANSWER_TIMEOUT, Address, Endpoint, OpenError};
use crate::{Result, report};

/// How long a connection is waited for on a server that has no free one.
const PATIENCE_WITH_CONNECTIONS: Duration = Duration::from_secs(30);

/// A PostgreSQL server that this process uses. Its connections live on the background thread.
pub struct Server {
    pub(super) endpoint: Endpoint,
    /// How to connect as the administrator, to the registry.
    pub(super) admin: PgConnectOptions,
    /// How tests connect, as the administrator's role: without settings of ours.
    pub(super) plain: PgConnectOptions,
    pub(super) info: ServerInfo,
    /// The session that stands for this process: it keeps the server running. None once it was lost.
    lease: Mutex<Option<PgConnection>>,
    /// Creates and drops, off the tests' path.
    pub(super) work: PgPool,
    pub(super) templates: Once<String, ()>,
    pub(super) snapshots: Once<String, Option<Arc<Snapshot>>>,
    users: Once<String, ()>,
    /// Whether what dead processes have left was dropped.
    pub(super) swept: OnceCell<()>,
    pub(super) sessions: Sessions,
    /// One task at a time prewarms clones.
    pub(super) topping_up: Mutex<()>,
    /// How to connect to the port of ours that greets as a server does, once it is needed.
    pub(super) greeter: OnceCell<Option<PgConnectOptions>>,
    /// Whether the lease is looked at.
    watched: OnceCell<()>,
}

impl Server {
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, OpenError> {
        let (lease, info) = lease::open(&endpoint).await?;
        let admin = address::registry(&endpoint).map_err(OpenError::fatal)?;
        // A session of ours may wait for another one, such as that in which migrations run.
        let admin = address::without_timeouts(admin, info.version_number);
        let plain = address::plain(&endpoint).map_err(OpenError::fatal)?;
        let most = if endpoint.outlives_tests() { 2 } else { 4 };
        let work = PoolOptions::<Postgres>::new()
            .max_connections(most)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(5))
            .connect_lazy_with(admin.clone());
        Ok(Self {
            endpoint,
            admin,
            plain,
            info,
            lease: Mutex::new(Some(lease)),
            work,
            templates: Once::new(),
            snapshots: Once::new(),
            users: Once::new(),
            swept: OnceCell::new(),
            sessions: Sessions::default(),
            topping_up: Mutex::new(()),
            greeter: OnceCell::new(),
            watched: OnceCell::new(),
        })
    }

    /// Returns the first row of the answer to a question to the registry; a lease that was lost is
    /// taken again. So is one whose session does not answer.
    pub(super) async fn ask(&self, question: &str) -> Result<PgRow, sqlx::Error> {
        let mut lease = self.lease.lock().await;
        let question = async |lease: &mut PgConnection| {
            let question = sqlx::raw_sql(AssertSqlSafe(question.to_owned()));
            in_time(question.fetch_one(lease)).await
        };
        if let Some(session) = &mut *lease {
            match question(session).await {
                Err(error) if is_lost(&error) => {}
                answer => return answer,
            }
        }
        // A session that has not answered, since this process was stopped for a while, still has the
        // lock that the next one waits for.
        *lease = None;
        let started = (!self.endpoint.outlives_tests()).then_some(&*self.info.started);
        let again = lease::take_again(&self.admin, self.info.number, started);
        question(lease.insert(in_time(again).await?)).await
    }

    /// Begins to look at the lease, once per process.
    pub(super) async fn watch_lease(self: &Arc<Self>) {
        let watch = async || {
            watch_lease(self, |server| async move {
                let _ = server.ask("SELECT 1").await;
            });
        };
        self.watched.get_or_init(watch).await;
    }

    /// Ends the leases of processes that are proven to be dead.
    pub(super) async fn end_dead_leases(&self) -> Result<(), sqlx::Error> {
        match &mut *self.lease.lock().await {
            Some(lease) => lease::end_dead_leases(lease).await,
            // It is taken again with the next question.
            None => Ok(()),
        }
    }

    /// Returns whether the server has ended.
    pub(super) async fn is_gone(&self) -> bool {
        self.ask("SELECT 1").await.is_err()
    }

    /// Returns whether databases can be proven to equal their template: that takes the statistics
    /// of PostgreSQL 15 and the rights of a superuser.
    pub(super) fn can_recycle(&self) -> bool {
        self.info.version_number >= 150_000
            && self.info.superuser
            && !self.endpoint.outlives_tests()
    }

    /// Returns how many databases may be claimed at the same time, if that is limited: all connections
    /// of all of them must fit the server, if each test has a pool of this size.
    pub(super) fn most_claims(&self, pool: u32) -> Option<i32> {
        self.endpoint
            .outlives_tests()
            .then(|| lease::capacity(self.info.connections, pool))
    }

    /// Returns a connection beside those of `work`: a server that is full for a moment is waited
    /// for.
    pub(super) async fn connect(
        &self,
        options: &PgConnectOptions,
    ) -> Result<PgConnection, sqlx::Error> {
        use sqlx::Connection;
        let (begun, mut told) = (Instant::now(), false);
        loop {
            if !told && begun.elapsed() > report::SILENCE {
                told = true;
                let server = self.endpoint.description();
                report::progress(&format!("waiting for a free connection to the {server}"));
            }
            match PgConnection::connect_with(options).await {
                Err(error)
                    if code(&error).as_deref() == Some("53300")
                        && begun.elapsed() < PATIENCE_WITH_CONNECTIONS =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                connected => return connected,
            }
        }
    }

    /// Returns the role that a test connects as: on a server given by URL always that of the URL,
    /// since to make roles takes more rights than to make databases.
    pub(super) fn user(&self, asked_for: Option<&str>) -> String {
        match self.endpoint.address() {
            Address::Started { .. } => asked_for.unwrap_or(address::ADMINISTRATOR).to_owned(),
            Address::Given(_) => self.plain.get_username().to_owned(),
        }
    }

    /// Returns whether the role is the administrator's own: it may look at its own sessions, and
    /// reset what it has written.
    pub(super) fn is_administrator(&self, user: &str) -> bool {
        user == self.plain.get_username()
    }

    /// Returns whether the schema `public` of a database that the role owns belongs to another: so
    /// it is before PostgreSQL 15.
    pub(super) fn lacks_schema_public(&self, user: &str) -> bool {
        self.info.version_number < 150_000 && self.info.superuser && !self.is_administrator(user)
    }

    /// Makes the role, unless it is there.
    pub(super) async fn ensure_user(&self, user: &str) -> Result<()> {
        let Address::Started { password, .. } = self.endpoint.address() else {
            return Ok(());
        };
        if user == address::ADMINISTRATOR {
            return Ok(());
        }
        let made = self.users.cell(&user.to_owned());
        let create = async || {
            let create = format!(
                "CREATE ROLE {} LOGIN PASSWORD {}",
                quoted(user),
                literal(password)
            );
            match self.work.execute(AssertSqlSafe(create)).await {
                Ok(_) => Ok(()),
                Err(error) if matches!(code(&error).as_deref(), Some("42710" | "23505")) => Ok(()),
                Err(error) => Err(failed(format!("create the role {user}"))(error)),
            }
        };
        made.get_or_try_init(create).await.copied()
    }

    /// Returns how a database is best created. To copy files is faster than to write them through
    /// the log for a server that does not wait for its disk, and much slower for one that does.
    pub(super) fn strategy(&self) -> &'static str {
        match (self.info.version_number >= 150_000, self.info.durable) {
            (false, _) => "",
            (true, true) => " STRATEGY WAL_LOG",
            (true, false) => " STRATEGY FILE_COPY",
        }
    }
}

/// Returns the answer of the server if it comes in time.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
    answer.unwrap_or_else(|_| {
        let silence = format!("no answer of the server within {ANSWER_TIMEOUT:?}");
        Err(std::io::Error::new(ErrorKind::TimedOut, silence).into())
    })
}
