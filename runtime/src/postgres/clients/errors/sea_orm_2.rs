//! Errors of sea-orm 2, which do not give sqlx's as their cause.

use std::error::Error as StdError;

use sea_orm_2::RuntimeErr;

use super::sqlx;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    let RuntimeErr::SqlxError(error) = cause.downcast_ref::<RuntimeErr>()? else {
        return None;
    };
    sqlx::describe(&**error)
}
