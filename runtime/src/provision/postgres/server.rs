//! A PostgreSQL server that this process uses: its lease, its settings.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use tokio::sync::{Mutex, OnceCell};

use super::profile::Profile;
use super::session::Kept;
use super::{databases, lease};
use crate::once::Once;
use crate::provider::{self, Address, BoxError, Endpoint, Wanted};
use crate::sql::{literal, quoted};
use crate::{Error, Result, background, registry};

static SERVERS: LazyLock<Once<Wanted, Arc<Server>>> = LazyLock::new(Once::new);

/// A server that this process uses. Its connections live on the background thread.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    /// How to connect as the administrator, to the registry.
    pub(super) admin: PgConnectOptions,
    /// `server_version` as the server says it.
    pub(super) version: String,
    pub(super) facts: Facts,
    /// The session that stands for this process: it keeps the server running, and what it has
    /// claimed is free again when it ends.
    pub(super) lease: Mutex<PgConnection>,
    /// Creates and drops, off the tests' path.
    pub(super) work: PgPool,
    pub(super) templates: Once<String, ()>,
    pub(super) profiles: Once<String, Option<Arc<Profile>>>,
    users: Once<String, ()>,
    /// Whether what processes that are gone have left was dropped.
    pub(super) swept: OnceCell<()>,
    pub(super) kept: Kept,
    /// One at a time is topping up.
    pub(super) topping_up: Mutex<()>,
}

/// What the registry tells whoever takes a lease.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) number: i32,
    pub(super) version: String,
    pub(super) version_number: i32,
    pub(super) superuser: bool,
    pub(super) durable: bool,
    pub(super) connections: i32,
}

/// Connections that a test's pool may have: enough for what a test does at a time, few enough
/// for many tests at a time.
const POOL_SIZE: u32 = 8;
/// The same on a server given by URL, where connections may be scarce.
const SMALL_POOL_SIZE: u32 = 4;
/// Connections of a process besides its tests' pools.
const OVERHEAD: i32 = 3;
/// How long a connection is waited for on a server that has no free one.
const PATIENCE_WITH_CONNECTIONS: Duration = Duration::from_secs(30);

impl Endpoint {
    /// How to connect as the administrator.
    pub(super) fn postgres(&self) -> Result<PgConnectOptions> {
        match &self.address {
            Address::Ours {
                host,
                port,
                password,
            } => Ok(PgConnectOptions::new_without_pgpass()
                .host(host)
                .port(*port)
                .username("postgres")
                .password(password)
                .database("postgres")
                .ssl_mode(PgSslMode::Disable)),
            Address::Url(url) => {
                let failed = |cause: BoxError| {
                    Error::new("read CONTAINER_TEST_POSTGRES_URL")
                        .because(cause)
                        .with_help("write `postgres://user:password@host:port/database`")
                };
                if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                    return Err(failed("it is not a URL of PostgreSQL".into()));
                }
                PgConnectOptions::from_str(url).map_err(|error| failed(error.into()))
            }
        }
    }

    /// How to connect to the registry that is ours.
    pub(super) fn registry(&self) -> Result<PgConnectOptions> {
        let options = self.postgres()?.application_name("container-test");
        let name = match &self.address {
            Address::Ours { .. } => registry::NAME.to_owned(),
            Address::Url(_) => registry::name_for(options.get_username()),
        };
        Ok(options.database(&name))
    }
}

/// The server that is wanted, found or started; its connections are the background thread's.
pub(super) async fn server(wanted: &Wanted) -> Result<Arc<Server>> {
    background::once(&SERVERS, wanted, open).await
}

/// Forgets a server: one of a test's own goes with its lease.
pub(crate) fn forget(wanted: &Wanted) {
    SERVERS.forget(wanted);
}

async fn open(wanted: Wanted) -> Result<Arc<Server>> {
    let (endpoint, (lease, facts)) = provider::provide(&wanted, lease::open_lease).await?;
    let admin = endpoint.registry()?;
    let work = PoolOptions::<Postgres>::new()
        .max_connections(if endpoint.outlives_us() { 2 } else { 4 })
        .min_connections(0)
        .idle_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .connect_lazy_with(admin.clone());
    let server = Arc::new(Server {
        endpoint,
        admin,
        version: facts.version.clone(),
        facts,
        lease: Mutex::new(lease),
        work,
        templates: Once::new(),
        profiles: Once::new(),
        users: Once::new(),
        swept: OnceCell::new(),
        kept: Kept::default(),
        topping_up: Mutex::new(()),
    });
    if server.endpoint.outlives_us() {
        background::start_task(databases::sweep(Arc::clone(&server)));
    }
    Ok(server)
}

/// How many processes, and how many tests, the connections of a server given by URL suffice for.
pub(super) fn places(connections: i32) -> i32 {
    let per_place = i32::try_from(SMALL_POOL_SIZE).unwrap_or(i32::MAX) + OVERHEAD;
    ((connections - OVERHEAD) / per_place).max(1)
}

/// What to do about errors that come from what the server is, and what the role may do.
pub(super) fn explained(failed: impl FnOnce(sqlx::Error) -> Error, error: sqlx::Error) -> Error {
    let message = error
        .as_database_error()
        .map(|error| error.message().to_owned())
        .unwrap_or_default();
    match code(&error).as_deref() {
        Some("42501") if message.contains("create database") => failed(error)
            .with_help("give the user of the URL the right to: `ALTER ROLE … CREATEDB`"),
        Some("25006") => failed(error)
            .note("the server is a hot standby, or read-only")
            .with_help("name a primary server in the URL"),
        _ => failed(error),
    }
}

/// The SQLSTATE of an error of the server.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

impl Server {
    /// Whether the server has ended: then so has the session of the lease.
    pub(super) async fn is_gone(self: &Arc<Self>) -> bool {
        let server = Arc::clone(self);
        let alive = background::run(async move {
            let mut lease = server.lease.lock().await;
            lease
                .execute("SELECT")
                .await
                .map_err(|error| Error::new("ask the server").because(error))
        });
        alive.await.is_err()
    }

    /// Whether databases can be proven to be as new: that takes the statistics of PostgreSQL 15
    /// and the rights of a superuser.
    pub(super) fn can_recycle(&self) -> bool {
        self.facts.version_number >= 150_000 && self.facts.superuser && !self.endpoint.outlives_us()
    }

    /// How many connections a test's pool may have.
    pub(super) fn pool_size(&self) -> u32 {
        if self.endpoint.outlives_us() {
            SMALL_POOL_SIZE
        } else {
            POOL_SIZE
        }
    }

    /// How many databases may be claimed at the same time, if that is limited: all connections
    /// of all of them must fit the server.
    pub(super) fn most_claims(&self) -> Option<i32> {
        self.endpoint
            .outlives_us()
            .then(|| places(self.facts.connections))
    }

    /// A connection beside those of `work`: a server that is full for a moment is waited for.
    pub(super) async fn connect(
        &self,
        options: &PgConnectOptions,
    ) -> Result<PgConnection, sqlx::Error> {
        let begun = Instant::now();
        loop {
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

    /// The role that a test connects as: on a server given by URL always that of the URL, since
    /// making roles takes more rights than making databases.
    pub(super) fn user(&self, asked_for: Option<&str>) -> String {
        match &self.endpoint.address {
            Address::Ours { .. } => asked_for.unwrap_or("postgres").to_owned(),
            Address::Url(_) => self.admin.get_username().to_owned(),
        }
    }

    /// Makes sure of the role.
    pub(super) async fn ensure_user(&self, user: &str) -> Result<()> {
        let Address::Ours { password, .. } = &self.endpoint.address else {
            return Ok(());
        };
        if user == "postgres" {
            return Ok(());
        }
        let made = self.users.cell(&user.to_owned());
        let create = async || {
            let create = format!(
                "CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}",
                quoted(user),
                literal(password)
            );
            match self.work.execute(AssertSqlSafe(create)).await {
                Ok(_) => Ok(()),
                Err(error) if matches!(code(&error).as_deref(), Some("42710" | "23505")) => Ok(()),
                Err(error) => Err(Error::new(format!("create the role {user}")).because(error)),
            }
        };
        made.get_or_try_init(create).await.copied()
    }
}
