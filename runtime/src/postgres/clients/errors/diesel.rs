//! Errors of diesel and diesel-async.

use std::error::Error as StdError;

use diesel::result::{DatabaseErrorKind, Error};

use super::words::words;

pub(super) fn describe(cause: &(dyn StdError + 'static)) -> Option<String> {
    let Some(Error::DatabaseError(kind, said)) = cause.downcast_ref::<Error>() else {
        return None;
    };
    Some(words(
        said.message(),
        code(*kind),
        said.details(),
        said.hint(),
    ))
}

/// Returns the SQLSTATE of a kind of errors: diesel shows no more of it.
fn code(kind: DatabaseErrorKind) -> Option<&'static str> {
    match kind {
        DatabaseErrorKind::UniqueViolation => Some("23505"),
        DatabaseErrorKind::ForeignKeyViolation => Some("23503"),
        DatabaseErrorKind::RestrictViolation => Some("23001"),
        DatabaseErrorKind::ExclusionViolation => Some("23P01"),
        DatabaseErrorKind::NotNullViolation => Some("23502"),
        DatabaseErrorKind::CheckViolation => Some("23514"),
        DatabaseErrorKind::SerializationFailure => Some("40001"),
        DatabaseErrorKind::ReadOnlyTransaction => Some("25006"),
        _ => None,
    }
}
