//! The clients that a test's database can be injected as, and the tools whose migrations make its
//! schema: a file each, behind its feature.

#[cfg(feature = "bb8-postgres")]
mod bb8_postgres;
#[cfg(feature = "deadpool-postgres")]
mod deadpool_postgres;
#[cfg(feature = "diesel")]
mod diesel;
#[cfg(feature = "diesel-async")]
mod diesel_async;
#[cfg(feature = "diesel-migrations")]
mod diesel_migrations;
pub(in crate::postgres) mod errors;
#[cfg(feature = "refinery")]
mod refinery;
#[cfg(feature = "sea-orm-1")]
mod sea_orm_1;
#[cfg(feature = "sea-orm-2")]
mod sea_orm_2;
#[cfg(feature = "sea-orm-migration-1")]
mod sea_orm_migration_1;
#[cfg(feature = "sea-orm-migration-2")]
mod sea_orm_migration_2;
mod sqlx;
#[cfg(feature = "sqlx-0_8")]
mod sqlx_0_8;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;

use crate::Error;
use crate::service::BoxError;

/// Returns what makes an error of a client one of ours.
#[allow(dead_code, reason = "sqlx has a conversion of its own")]
fn failed<E: Into<BoxError>>(step: &'static str) -> impl FnOnce(E) -> Error {
    move |error| {
        let error = Error::new(step).because(error);
        error.described_by(errors::describe)
    }
}
