//! Databases on a shared PostgreSQL server: claimed, cloned ahead, dropped behind.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::sync::Mutex;

use super::{Once, template};
use crate::migrations::Schema;
use crate::provider::{self, Address, BoxError, Endpoint, Wanted};
use crate::sql::{literal, quoted};
use crate::{Error, Result, background};

/// The database that holds what processes know of each other.
pub(super) const REGISTRY: &str = "container_test";

/// Clones kept ready per template.
const READY: i64 = 4;

static SERVERS: LazyLock<Once<Wanted, Arc<Server>>> = LazyLock::new(Once::new);

/// A server that this process uses. Its connections live on the background thread.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    /// How to connect as the administrator, to the registry.
    admin: PgConnectOptions,
    /// `server_version` as the server says it.
    pub(crate) version: String,
    /// The session that stands for this process: it keeps the server running, and what it has
    /// claimed is free again when it ends.
    lease: Mutex<PgConnection>,
    lease_number: i32,
    /// Creates and drops, off the tests' path.
    work: PgPool,
    templates: Once<String, ()>,
    users: Once<String, ()>,
    /// One at a time is topping up.
    topping_up: Mutex<()>,
}

/// What a test's database is made from.
pub(crate) struct Request {
    pub(crate) test: String,
    pub(crate) schema: Schema,
    /// The role that the test connects as.
    pub(crate) user: Option<String>,
    /// Readable part of the database's name.
    pub(crate) label: String,
    /// The whole name, on a server of the test's own.
    pub(crate) name: Option<String>,
}

/// A test's database, from claim to release.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) server: Arc<Server>,
    pub(crate) database: String,
    pub(crate) user: String,
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
                .execute(&server.work)
                .await
                .map_err(|error| Error::new("keep the database").because(error))
        })
        .await;
        self.options().to_url_lossy().to_string()
    }

    /// What the server logged about the database.
    pub(crate) async fn log(&self) -> String {
        let (server, tag) = (Arc::clone(&self.server), format!(" {} ", self.database));
        let log = background::run(async move { Ok(server.endpoint.log_tail(500).await) }).await;
        let mut ours = false;
        let mut text = String::new();
        for line in log.unwrap_or_default().lines() {
            // Lines of a message after its first have no prefix.
            ours = if line.starts_with('\t') {
                ours
            } else {
                line.contains(&tag)
            };
            if ours {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Gives the database back; it is dropped in the background.
    pub(crate) fn release(self) {
        background::start_task(async move {
            // What is left is dropped by whoever comes next, or goes with the server.
            let _ = self.server.drop_database(&self.database).await;
        });
    }
}

impl Endpoint {
    /// How to connect as the administrator.
    fn postgres(&self) -> Result<PgConnectOptions> {
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
            Address::Url(url) => PgConnectOptions::from_str(url).map_err(|error| {
                Error::new("read CONTAINER_TEST_POSTGRES_URL")
                    .because(error)
                    .with_help("write `postgres://user:password@host:port/database`")
            }),
        }
    }
}

/// The server that is wanted, found or started; its connections are the background thread's.
pub(crate) async fn server(wanted: Wanted) -> Result<Arc<Server>> {
    background::run(async move {
        let cell = SERVERS.cell(wanted.clone());
        cell.get_or_try_init(|| open(&wanted)).await.cloned()
    })
    .await
}

/// Forgets a server of a test's own: with its lease goes the server.
pub(crate) fn forget(wanted: &Wanted) {
    SERVERS.forget(wanted);
}

async fn open(wanted: &Wanted) -> Result<Arc<Server>> {
    let (endpoint, (mut lease, lease_number)) = provider::provide(wanted, open_lease).await?;
    let version = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&mut lease)
        .await
        .map_err(|error| Error::new("ask PostgreSQL for its version").because(error))?;
    let admin = endpoint.postgres()?.database(REGISTRY);
    let work = PoolOptions::<Postgres>::new()
        .max_connections(4)
        .min_connections(0)
        .test_before_acquire(false)
        .connect_lazy_with(admin.clone());
    let server = Arc::new(Server {
        endpoint,
        admin,
        version,
        lease: Mutex::new(lease),
        lease_number,
        work,
        templates: Once::new(),
        users: Once::new(),
        topping_up: Mutex::new(()),
    });
    background::start_task(Arc::clone(&server).sweep());
    Ok(server)
}

/// Connects to the registry, which the first one to come creates, and takes a lease.
async fn open_lease(endpoint: Endpoint) -> Result<(PgConnection, i32), BoxError> {
    let options = endpoint.postgres()?.application_name("container-test");
    let mut connection = match PgConnection::connect_with(&options.clone().database(REGISTRY)).await
    {
        Ok(connection) => connection,
        Err(error) if code(&error).as_deref() == Some("3D000") => {
            let mut connection = PgConnection::connect_with(&options).await?;
            let created = connection.execute("CREATE DATABASE container_test").await;
            // 42P04, 23505: somebody else was faster.
            if let Err(error) = created
                && !matches!(code(&error).as_deref(), Some("42P04" | "23505"))
            {
                return Err(error.into());
            }
            connection.close().await?;
            PgConnection::connect_with(&options.database(REGISTRY)).await?
        }
        Err(error) => return Err(error.into()),
    };
    let number = match take_lease(&mut connection).await {
        // 42883: the function is not there yet.
        Err(error) if code(&error).as_deref() == Some("42883") => {
            let script = concat!(
                "BEGIN; SELECT pg_advisory_xact_lock(0);",
                include_str!("registry.sql"),
                "COMMIT;"
            );
            sqlx::raw_sql(script).execute(&mut connection).await?;
            take_lease(&mut connection).await?
        }
        number => number?,
    };
    Ok((connection, number))
}

async fn take_lease(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT lease()")
        .fetch_one(connection)
        .await
}

/// The SQLSTATE of an error of the server.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

impl Server {
    /// Gives a test a database of its own.
    pub(crate) async fn claim(self: Arc<Self>, request: Request) -> Result<Claim> {
        background::run(async move {
            let template = template::name(&request);
            if let Some(name) = request.name.clone() {
                self.template(&template, &request).await?;
                self.clone_template(&template, &request, Some(name)).await
            } else if let Some(database) = self.claim_ready(&template, &request).await? {
                self.top_up(template);
                let user = self.user(&request);
                Ok(Claim {
                    server: self,
                    database,
                    user,
                })
            } else {
                self.template(&template, &request).await?;
                let database = self.clone_template(&template, &request, None).await?;
                database.server.top_up(template);
                Ok(database)
            }
        })
        .await
    }

    async fn claim_ready(&self, template: &str, request: &Request) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT claim_ready($1, $2, $3)")
            .bind(template)
            .bind(self.lease_number)
            .bind(&request.test)
            .fetch_one(&mut *self.lease.lock().await)
            .await
            .map_err(|error| Error::new("claim a database").because(error))
    }

    /// Makes sure of the template, and of the role that owns it.
    async fn template(&self, name: &str, request: &Request) -> Result<()> {
        let user = self.user(request);
        let role = self.users.cell(user.clone());
        role.get_or_try_init(|| self.ensure_user(&user)).await?;
        let made = self.templates.cell(name.to_owned());
        made.get_or_try_init(|| template::ensure(&self.admin, name, &user, request))
            .await?;
        Ok(())
    }

    /// The role that the test connects as: on a server given by URL always that of the URL,
    /// since making roles takes more rights than making databases.
    fn user(&self, request: &Request) -> String {
        match &self.endpoint.address {
            Address::Ours { .. } => request
                .user
                .clone()
                .unwrap_or_else(|| "postgres".to_owned()),
            Address::Url(_) => self.admin.get_username().to_owned(),
        }
    }

    async fn ensure_user(&self, user: &str) -> Result<()> {
        let Address::Ours { password, .. } = &self.endpoint.address else {
            return Ok(());
        };
        if user == "postgres" {
            return Ok(());
        }
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
    }

    async fn clone_template(
        self: Arc<Self>,
        template: &str,
        request: &Request,
        name: Option<String>,
    ) -> Result<Claim> {
        let failed = |error: sqlx::Error| {
            Error::new(format!("create a database from the template {template}")).because(error)
        };
        let database: String = sqlx::query_scalar("SELECT claim_new($1, $2, $3, $4)")
            .bind(template)
            .bind(self.lease_number)
            .bind(&request.test)
            .bind(name)
            .fetch_one(&mut *self.lease.lock().await)
            .await
            .map_err(failed)?;
        create(&self.work, &database, template)
            .await
            .map_err(failed)?;
        let user = self.user(request);
        Ok(Claim {
            server: self,
            database,
            user,
        })
    }

    /// Makes clones ahead, in the background, until enough are ready.
    fn top_up(self: &Arc<Self>, template: String) {
        let server = Arc::clone(self);
        background::start_task(async move {
            let Ok(_alone) = server.topping_up.try_lock() else {
                return;
            };
            // Clones ahead save time; without them tests make their own.
            while let Ok(Some(name)) = server.next_clone(&template).await {
                if create(&server.work, &name, &template).await.is_err() {
                    break;
                }
            }
        });
    }

    /// The name of the next clone to make ahead, if one is needed.
    async fn next_clone(&self, template: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT $1 || '_' || nextval('clone_number') WHERE (SELECT count(*) FROM ready($1)) < $2",
        )
        .bind(template)
        .bind(READY)
        .fetch_optional(&self.work)
        .await
    }

    async fn drop_database(&self, name: &str) -> Result<(), sqlx::Error> {
        // 55006: a session has not ended yet; then it is ended, which takes longer.
        let dropped = self
            .work
            .execute(AssertSqlSafe(format!(
                "DROP DATABASE IF EXISTS {}",
                quoted(name)
            )))
            .await;
        if dropped.is_err() {
            let force = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
            self.work.execute(AssertSqlSafe(force)).await?;
        }
        sqlx::query("DELETE FROM claim WHERE database = $1")
            .bind(name)
            .execute(&self.work)
            .await?;
        Ok(())
    }

    /// Drops what processes that are gone have left.
    async fn sweep(self: Arc<Self>) {
        let next = || {
            sqlx::query_scalar::<_, Option<String>>("SELECT take_over($1)")
                .bind(self.lease_number)
                .fetch_one(&self.work)
        };
        while let Ok(Some(name)) = next().await {
            if self.drop_database(&name).await.is_err() {
                break;
            }
        }
    }
}

/// Creates a clone. Copying files is faster than writing them through the log for a server
/// that does not wait for its disk.
async fn create(work: &PgPool, name: &str, template: &str) -> Result<(), sqlx::Error> {
    let statement = format!(
        "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY",
        quoted(name),
        quoted(template)
    );
    work.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
