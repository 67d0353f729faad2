//! A test's database, from its claim to its release.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, Postgres as Sqlx};
use sqlx::{PgConnection, PgPool};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::address;
use super::failure::failed;
use super::options::Postgres;
use super::pools::Pools;
use super::reuse::session::{self, Mark, Session};
use super::server::Server;
use crate::Result;

/// A test's database.
pub struct TestDatabase {
    pub(super) server: Arc<Server>,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) origin: Origin,
    /// How many seeds the claim has applied.
    pub(super) seeded: usize,
    pub(super) max_connections: u32,
    pub(super) pool: OnceCell<PgPool>,
    /// A session in the database while no pool has it: where it may serve several tests, one that was
    /// opened on the background thread's runtime, otherwise the first of the pool, after the test.
    pub(super) session: Mutex<Option<PgConnection>>,
    /// How the pool connects, unless the test has told it otherwise.
    pub(super) connect_options: OnceLock<Arc<PgConnectOptions>>,
    /// What came of the attempt to recycle the database while the test's runtime was there.
    pub(super) attempt: OnceLock<Attempt>,
    /// The background thread's runtime.
    pub(super) background: Handle,
    pub(super) mark: Option<Mark>,
    /// The name that the database had when the test's session was opened.
    pub(super) opened_in: String,
    pub(super) greeter: Option<PgConnectOptions>,
    /// How many connections the pool has made, that session included.
    pub(super) made: Arc<AtomicUsize>,
    /// Pools of other clients, which are closed at the test's end.
    pub(super) pools: Pools,
}

/// What the next tests may get of what a test had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    Nothing,
    /// The database.
    Database,
    /// The database with the session that the test began with.
    Session,
}

/// What came of an attempt to recycle a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Recycled,
    /// It is to be dropped.
    Unfit,
    /// Other sessions had not left.
    InUse,
}

/// Where a test's database comes from.
pub(super) enum Origin {
    /// It is on a server that no other test uses.
    OwnServer,
    /// It was cloned from a template.
    Clone {
        template: String,
        /// Whether clones are prewarmed for tests like this.
        prewarmed: bool,
        reuse: Reuse,
        /// When the statistics of the database were set to zero, if ever.
        stats_reset: Option<String>,
    },
}

impl Origin {
    pub(super) fn reuse(&self) -> Reuse {
        match self {
            Self::OwnServer => Reuse::Nothing,
            Self::Clone { reuse, .. } => *reuse,
        }
    }
}

impl TestDatabase {
    pub(super) fn new(
        server: &Arc<Server>,
        database: String,
        user: String,
        options: &Postgres,
        origin: Origin,
        seeded: usize,
    ) -> Self {
        Self {
            server: Arc::clone(server),
            opened_in: database.clone(),
            database,
            user,
            origin,
            seeded,
            max_connections: options.pool_size(),
            pool: OnceCell::new(),
            session: Mutex::new(None),
            connect_options: OnceLock::new(),
            attempt: OnceLock::new(),
            background: Handle::current(),
            mark: None,
            greeter: None,
            made: Arc::default(),
            pools: Pools::default(),
        }
    }

    /// Has the test begin with a session in the database, if there is one.
    pub(super) async fn with_session(mut self, session: Option<Session>) -> Self {
        if let Some(session) = session {
            let Session {
                connection,
                mark,
                opened_in,
            } = session;
            let greeter = self.server.greeter.get_or_init(session::greeter).await;
            self.greeter.clone_from(greeter);
            self.session = Mutex::new(Some(connection));
            self.mark = Some(mark);
            self.opened_in = opened_in;
        }
        self
    }

    /// Returns how the test connects.
    pub(super) fn options(&self) -> PgConnectOptions {
        self.server
            .plain
            .clone()
            .username(&self.user)
            .database(&self.database)
    }

    /// Returns the URL of the database, with its password.
    pub(super) fn url(&self) -> String {
        address::url(&self.server.endpoint, &self.user, &self.database)
    }

    /// Returns how many connections a pool of the test may open.
    #[allow(dead_code, reason = "some clients have no pool")]
    pub(super) fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// Returns the pools of other clients than sqlx.
    #[allow(dead_code, reason = "some clients have no pool")]
    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Returns a connection beside the pool.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let connected = self.server.connect(&self.options()).await;
        connected.map_err(failed("connect to the test's database"))
    }

    /// Returns the options of the test's pool.
    pub(super) fn pool_options(&self) -> PoolOptions<Sqlx> {
        PoolOptions::new()
            .max_connections(self.max_connections)
            .idle_timeout(None)
            .max_lifetime(None)
    }

    /// Returns the test's pool.
    pub(super) async fn pool(&self) -> &PgPool {
        let open = async || {
            let settings = self.pool_options();
            let made = Arc::clone(&self.made);
            let pool = if let Some(session) = self.take_session() {
                let greeter = self.greeter.clone();
                session::pool(session, settings, self.options(), greeter, made).await
            } else {
                let settings = settings.after_connect(move |_, _| {
                    made.fetch_add(1, Ordering::Relaxed);
                    Box::pin(async { Ok(()) })
                });
                settings.connect_lazy_with(self.options())
            };
            let _ = self.connect_options.set(pool.connect_options());
            pool
        };
        self.pool.get_or_init(open).await
    }

    pub(super) fn session(&self) -> MutexGuard<'_, Option<PgConnection>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_session(&self) -> Option<PgConnection> {
        self.session().take()
    }
}
