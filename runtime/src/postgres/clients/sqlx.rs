//! The client `sqlx`.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use sqlx_core::migrate::Migrator;

use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::code::Code;
use crate::postgres::database::Database;
use crate::postgres::failure::failed;
use crate::postgres::migrations::{IntoMigrations, Migrations};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for PgPool {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.slot::<Postgres>()?.pool().await.clone())
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PoolConnection<sqlx::Postgres> {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.slot::<Postgres>()?
            .pool()
            .await
            .acquire()
            .await
            .map_err(failed("connect to the test's database"))
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        cx.slot::<Postgres>()?.connect().await
    }
}

impl<D: Declares<Postgres>> FromContext<D> for PgConnectOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.slot::<Postgres>()?.options())
    }
}

/// Options of a pool that the test makes itself, with the test's `PgConnectOptions`.
impl<D: Declares<Postgres>> FromContext<D> for PgPoolOptions {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        Ok(cx.slot::<Postgres>()?.pool_options())
    }
}

impl Database {
    /// Returns a pool of connections to the database. It is the one that a test gets as an argument.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl IntoMigrations<()> for Migrator {
    fn migrations(&'static self) -> Migrations {
        Migrations::Code(Code::migrator(self))
    }
}
