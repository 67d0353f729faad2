//! What a server has said, in the errors of its clients: message, SQLSTATE, detail and hint.

#[cfg(any(feature = "diesel", feature = "diesel-async"))]
mod diesel;
#[cfg(feature = "sea-orm-2")]
mod sea_orm_2;
mod sqlx;
#[cfg(feature = "sqlx-0_8")]
mod sqlx_0_8;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;
pub(super) mod words;

use std::error::Error as StdError;

use crate::error::Describe;

/// The clients whose errors are known. Those of pools, and of sea-orm 1, have one of these as their
/// cause.
const CLIENTS: &[Describe] = &[
    sqlx::describe,
    #[cfg(feature = "sqlx-0_8")]
    sqlx_0_8::describe,
    #[cfg(feature = "tokio-postgres")]
    tokio_postgres::describe,
    #[cfg(any(feature = "diesel", feature = "diesel-async"))]
    diesel::describe,
    #[cfg(feature = "sea-orm-2")]
    sea_orm_2::describe,
];

/// Returns what a server has said, if this is an error of one in any client.
pub(in crate::postgres) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    CLIENTS.iter().find_map(|describe| describe(cause))
}
