//! Errors of the server, as errors of ours.

use super::clients::errors::describe;
use crate::Error;
use crate::service::OpenError;

/// Returns what makes an error of the client one of ours.
pub(super) fn failed(step: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Error {
    let step = step.into();
    move |error| explained(Error::new(step), error).described_by(describe)
}

/// Adds the cause, and what to do about causes that come from what the server is and what the role
/// may do.
fn explained(step: Error, error: sqlx::Error) -> Error {
    let message = error
        .as_database_error()
        .map(|error| error.message().to_owned())
        .unwrap_or_default();
    match code(&error).as_deref() {
        Some("42501") if message.contains("create database") => step
            .because(error)
            .with_help("give the user of the URL the right to: `ALTER ROLE … CREATEDB`"),
        Some("25006") => step
            .because(error)
            .note("the server is a hot standby, or read-only")
            .with_help("name a primary server in the URL"),
        _ => step.because(error),
    }
}

/// Returns the SQLSTATE of an error of the server.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Returns whether the session has ended, not only the statement.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match code(error).as_deref() {
        // Ended by an administrator, by a crash, by a shutdown, by an idle time-out.
        Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "08006" | "08003") => true,
        Some(_) => false,
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
        ),
    }
}

/// Returns whether a statement may succeed that has failed with this SQLSTATE: the server was
/// ending, full or at work on something else.
pub(super) fn may_pass(code: &str) -> bool {
    // Connection, transaction rolled back, resources, object in use, lock not available, operator,
    // system, internal.
    const CLASSES: [&str; 8] = ["08", "40", "53", "55006", "55P03", "57", "58", "XX"];
    CLASSES.iter().any(|class| code.starts_with(class))
}

/// Sorts errors of a first connection into those that pass and those that stay.
pub(super) fn open_error(error: sqlx::Error) -> OpenError {
    match code(&error).as_deref() {
        Some("53300") => OpenError::full(error),
        Some("57P03") => OpenError::starting(error),
        None if matches!(error, sqlx::Error::Io(_)) => OpenError::starting(error),
        // PostgreSQL itself accepts how we connect. Poolers give this code with whatever they say.
        Some("08P01") => OpenError::fatal(
            Error::new("use the server")
                .because(error)
                .note("a pooler stands between us and the server: claims are tied to sessions, which it shares")
                .with_help("name the server itself in the URL, not the pooler"),
        ),
        _ => OpenError::fatal(explained(Error::new("use the server"), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_moment_are_told_from_errors_of_the_script() {
        for code in [
            "40P01", "53100", "53300", "55006", "57014", "57P01", "58030",
        ] {
            assert!(may_pass(code), "{code}");
        }
        for code in ["42601", "42P07", "23505", "22012", "25001", "55P04"] {
            assert!(!may_pass(code), "{code}");
        }
    }
}
