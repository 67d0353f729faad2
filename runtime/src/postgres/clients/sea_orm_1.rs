//! The client `sea-orm` 1, on a pool of sqlx 0.8.

use sea_orm_1::{DatabaseConnection, SqlxPostgresConnector};
use sqlx_postgres_0_8::PgPool;

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
