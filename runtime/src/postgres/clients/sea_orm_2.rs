//! The client `sea-orm` 2, on a pool of sqlx 0.9.

use sea_orm_2::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::PgPool;

use crate::Result;
use crate::context::TestContext;
use crate::inject::{Declares, FromContext};
use crate::postgres::options::Postgres;

impl<D: Declares<Postgres>> FromContext<D> for DatabaseConnection {
    async fn from_context(cx: &TestContext<D>) -> Result<Self> {
        let pool: PgPool = cx.get().await?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    }
}
