//! Errors of tokio-postgres.

use std::error::Error as StdError;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::words::words;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    let error = match cause.downcast_ref::<Error>() {
        Some(error) => error.as_db_error()?,
        None => cause.downcast_ref::<DbError>()?,
    };
    let code = error.code().code();
    Some(words(
        error.message(),
        Some(code),
        error.detail(),
        error.hint(),
    ))
}
