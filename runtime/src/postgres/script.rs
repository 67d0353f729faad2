//! SQL scripts: read, run, and explained where they fail.

use std::path::Path;

use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

use super::failure::{is_lost, may_pass};
use super::psql::{self, ForPsql};
use super::sql;
use crate::{Error, Result};

/// What a script is that makes the schema.
pub(super) const MIGRATION: &str = "migration";

/// The SQLSTATE of a statement that cannot be in a transaction, such as `CREATE INDEX
/// CONCURRENTLY`. Several statements at once are a transaction.
const ALONE: &str = "25001";

/// That of a new value of an enumeration, used in the transaction that has added it.
const NEXT_TRANSACTION: &str = "55P04";

/// Has a session begin anew with its defaults: what a script has set, such as an empty
/// `search_path`, ends with it.
pub(super) const DEFAULTS: &str = "RESET ALL; SET SESSION AUTHORIZATION DEFAULT";

/// One SQL script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What it is, for messages: "seed", "migration".
    pub(super) kind: &'static str,
    /// Where it was read from, for messages.
    pub(super) source: String,
    pub(super) text: String,
}

impl Script {
    /// Reads a seed file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(format!("read the seed {}", path.display()))
                .because(error)
                .with_help(
                    "it was there when the test was compiled; put it back, or correct `seeds(…)`",
                )
        })?;
        // Some editors begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').to_owned();
        Ok(Self {
            kind: "seed",
            source: path.display().to_string(),
            text,
        })
    }

    /// Refuses what a server would misunderstand.
    pub(super) fn check(&self) -> Result<()> {
        let refused = |line: usize, cause: String| {
            let at = format!("{}, line {line}", self.source);
            Error::new(format!("apply the {} {at}", self.kind)).because(cause)
        };
        if self.text.starts_with('\u{feff}') {
            let cause = "it begins with a byte order mark, which is no SQL";
            return Err(refused(1, cause.to_owned())
                .with_help("save the file as UTF-8 without a byte order mark")
                .lasting());
        }
        let error = match psql::first(&self.text) {
            None => return Ok(()),
            Some(ForPsql::Command(found)) => {
                let cause = format!("`{}` is a command of psql, and no SQL", found.statement);
                refused(found.line, cause).with_help(
                    "this is for psql: leave such lines out; `pg_dump --inserts` writes data \
                     without them",
                )
            }
            Some(ForPsql::Data(found)) => {
                let cause = "the data of `COPY … FROM stdin` follow it, which only psql can read";
                refused(found.line, cause.to_owned())
                    .note(format!("the statement is:\n{}", shortened(found.statement)))
                    .with_help(
                        "this is for psql: write INSERT statements, as `pg_dump --inserts` does",
                    )
            }
        };
        Err(error.lasting())
    }

    /// Runs the script on a session with its defaults, all statements in one transaction unless it
    /// has its own.
    pub(super) async fn apply(&self, connection: &mut PgConnection) -> Result<()> {
        self.check()?;
        sqlx::raw_sql(DEFAULTS)
            .execute(&mut *connection)
            .await
            .map_err(|error| self.failure(error, None))?;
        self.run(connection)
            .await
            .map_err(|(error, done)| self.failure(error, Some(done)))
    }

    /// Runs the script; an error comes with the number of statements that were done before.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), (sqlx::Error, usize)> {
        use futures_util::TryStreamExt;
        let mut done = 0;
        let mut results = sqlx::raw_sql(AssertSqlSafe(self.text.clone())).execute_many(connection);
        loop {
            match results.try_next().await {
                Ok(Some(_)) => done += 1,
                Ok(None) => return Ok(()),
                Err(error) => return Err((error, done)),
            }
        }
    }

    /// Returns the error of this script, with line and statement as far as they are known.
    pub(super) fn failure(&self, error: sqlx::Error, done: Option<usize>) -> Error {
        let server = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let place = server
            .and_then(|server| sql::position_of(&self.text, server))
            .or_else(|| sql::statement(&self.text, done?))
            .or_else(|| sql::only_statement(&self.text));
        if is_lost(&error) {
            let cause = match server {
                Some(server) => format!("{} (SQLSTATE {})", server.message(), server.code()),
                None => error.to_string(),
            };
            return Error::new(format!("apply the {} {}", self.kind, self.source))
                .because(cause)
                .note("the session that it ran in has ended")
                .with_help(format!(
                    "a {} must not end its own session, as with `pg_terminate_backend`; if it does \
                     not, the server's log says what has ended it",
                    self.kind
                ));
        }
        let Some(server) = server else {
            return Error::new(format!("apply the {} {}", self.kind, self.source)).because(error);
        };
        let (at, statement) = match place {
            Some(place) => (
                format!("{}, line {}", self.source, place.line),
                shortened(place.statement),
            ),
            None => (self.source.clone(), String::new()),
        };
        let mut failure = Error::new(format!("apply the {} {at}", self.kind)).because(format!(
            "{} (SQLSTATE {})",
            server.message(),
            server.code()
        ));
        for (name, text) in [
            ("detail", server.detail()),
            ("hint", server.hint()),
            ("where", server.r#where()),
        ] {
            failure = text.into_iter().fold(failure, |failure, text| {
                failure.note(format!("{name}: {text}"))
            });
        }
        if !statement.is_empty() {
            failure = failure.note(format!("the statement is:\n{statement}"));
        }
        if sql::is_of_server(&statement) {
            // Another test may have made it, and may remove it.
            return failure.with_help(
                "this belongs to the server, which tests share, not to the database: write it so \
                 that it can run again, or give the test a server with `isolation = \"server\"`",
            );
        }
        let failure = failure.with_help(match (server.code(), self.kind) {
            (ALONE, MIGRATION) => {
                "put it into a migration of its own, which has nothing else; the first line of a \
                 file has to be `-- no-transaction`"
                    .to_owned()
            }
            (ALONE, kind) => format!("put it into a {kind} of its own, which has nothing else"),
            (NEXT_TRANSACTION, kind) => {
                format!(
                    "use the new value in a {kind} after this one: it has to be committed first"
                )
            }
            (_, kind) => {
                format!("correct the {kind} and run the test again; nothing of it was applied")
            }
        });
        if may_pass(server.code()) {
            failure
        } else {
            failure.lasting()
        }
    }
}

fn shortened(statement: &str) -> String {
    const LINES: usize = 12;
    let mut lines: Vec<&str> = statement.lines().take(LINES + 1).collect();
    if lines.len() > LINES {
        lines[LINES] = "…";
    }
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let script = Script {
            kind: MIGRATION,
            source: "1_users.sql".to_owned(),
            text: text.to_owned(),
        };
        script.check().unwrap_err().report()
    }

    #[test]
    fn commands_of_psql_are_refused_with_their_line() {
        assert_eq!(
            refused("CREATE TABLE a ();\n\\connect shop\n"),
            "failed to apply the migration 1_users.sql, line 2\n  \
             because: `\\connect shop` is a command of psql, and no SQL\n  \
             help: this is for psql: leave such lines out; `pg_dump --inserts` writes data without \
             them"
        );
    }

    #[test]
    fn data_for_copy_are_refused_with_the_statement_and_its_line() {
        assert_eq!(
            refused("CREATE TABLE a (b int);\n\nCOPY a FROM stdin;\n1\n\\.\n"),
            "failed to apply the migration 1_users.sql, line 3\n  \
             because: the data of `COPY … FROM stdin` follow it, which only psql can read\n  \
             note: the statement is:\n    COPY a FROM stdin\n  \
             help: this is for psql: write INSERT statements, as `pg_dump --inserts` does"
        );
    }

    #[test]
    fn a_byte_order_mark_is_refused_in_a_migration_and_left_out_of_a_seed() {
        assert_eq!(
            refused("\u{feff}CREATE TABLE a ()"),
            "failed to apply the migration 1_users.sql, line 1\n  \
             because: it begins with a byte order mark, which is no SQL\n  \
             help: save the file as UTF-8 without a byte order mark"
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.sql");
        std::fs::write(&path, "\u{feff}SELECT 1").unwrap();
        let seed = Script::read(&path).unwrap();
        seed.check().unwrap();
        assert_eq!(seed.text, "SELECT 1");
    }
}
