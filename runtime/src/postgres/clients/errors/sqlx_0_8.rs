//! Errors of sqlx 0.8.

use std::error::Error as StdError;

use sqlx_core_0_8::error::{DatabaseError, Error};
use sqlx_postgres_0_8::PgDatabaseError;

use super::words::words;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    let of_server: &dyn DatabaseError = match cause.downcast_ref::<Error>() {
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
