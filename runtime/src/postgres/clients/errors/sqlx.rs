//! Errors of sqlx.

use std::error::Error as StdError;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::words::words;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    let of_server: &dyn DatabaseError = match cause.downcast_ref::<sqlx::Error>() {
        Some(error) => error.as_database_error()?,
        None => cause
            .downcast_ref::<Box<dyn DatabaseError>>()
            .map(AsRef::as_ref)?,
    };
    let error = of_server.try_downcast_ref::<PgDatabaseError>()?;
    Some(words(
        error.message(),
        Some(error.code()),
        error.detail(),
        error.hint(),
    ))
}
