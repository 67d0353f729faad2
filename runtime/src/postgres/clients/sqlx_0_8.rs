//! The client `sqlx` 0.8.

use sqlx_core_0_8::connection::Connection;
use sqlx_core_0_8::migrate::{MigrateError, Migration, Migrator};
use sqlx_core_0_8::pool::{PoolConnection, PoolOptions};
use sqlx_postgres_0_8::{PgConnectOptions, PgConnection, PgPool, Postgres as Sqlx};

use super::failed;
use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::code::Code;
use crate::postgres::migrations::{IntoMigrations, Migrations};
use crate::postgres::options::Postgres;
use crate::postgres::script::{MIGRATION, Script};
use crate::postgres::slot::TestDatabase;
use crate::postgres::tool::{Stopped, Tool};

impl<D: Declares<Postgres>> FromContext<D> for PgPool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        let open = || {
            let settings = PoolOptions::<Sqlx>::new()
                .max_connections(slot.max_connections())
                .idle_timeout(None)
                .max_lifetime(None);
            Ok(settings.connect_lazy_with(options(slot)?))
        };
        let close = |pool: PgPool| async move { pool.close().await };
        slot.pools().get_or_open(open, close)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolConnection<Sqlx> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let pool: PgPool = cx.get().await?;
        pool.acquire()
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        PgConnection::connect_with(&options(cx.slot::<Postgres>()?)?)
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnectOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let slot = cx.slot::<Postgres>()?;
        options(slot)
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolOptions<Sqlx> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let max_connections = cx.slot::<Postgres>()?.max_connections();
        Ok(PoolOptions::new().max_connections(max_connections))
    }
}

/// Returns how the test connects.
fn options(slot: &TestDatabase) -> Result<PgConnectOptions> {
    slot.url()
        .parse()
        .map_err(failed("read the URL of the test's database"))
}

impl IntoMigrations<()> for Migrator {
    fn migrations(&'static self) -> Migrations {
        let up = self
            .iter()
            .filter(|migration| !migration.migration_type.is_down_migration());
        let scripts = up.map(|migration| Script {
            kind: MIGRATION,
            source: source(migration),
            text: migration.sql.to_string(),
        });
        let run = move |url| run(self, url);
        Migrations::Code(Code::tool(Tool::new(
            "sqlx 0.8",
            None,
            scripts.collect(),
            run,
        )))
    }
}

/// Returns what names a migration in messages.
fn source(migration: &Migration) -> String {
    format!("{} ({})", migration.version, migration.description)
}

/// Applies the migrations that are pending.
async fn run(migrator: &Migrator, url: String) -> Result<(), Stopped> {
    let mut connection = PgConnection::connect(&url).await?;
    let applied = migrator.run_direct(&mut connection).await;
    // What is not closed properly is closed by the server.
    let _ = connection.close().await;
    applied.map_err(|error| {
        let version = match error {
            MigrateError::ExecuteMigration(_, version) => version,
            error => return error.into(),
        };
        let migration = migrator
            .iter()
            .find(|migration| migration.version == version);
        Stopped::new(migration.map(source), error)
    })
}
