//! Errors of sea-orm 2, which do not give sqlx's as their cause.

use std::error::Error as StdError;

use sea_orm_2::RuntimeErr;

use super::sqlx;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    match cause.downcast_ref::<RuntimeErr>()? {
        RuntimeErr::SqlxError(error) => sqlx::describe(&**error),
        _ => None,
    }
}
