//! SQL scripts: read, run, and explained where they fail.

use std::path::Path;

use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

use super::failure::may_pass;
use super::sql;
use crate::{Error, Result};

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

    /// Runs the script on a session with its defaults, all statements in one transaction unless it
    /// has its own.
    pub(super) async fn apply(&self, connection: &mut PgConnection) -> Result<()> {
        // What the script before has set, such as an empty `search_path`, ends with it.
        sqlx::raw_sql("RESET ALL; SET SESSION AUTHORIZATION DEFAULT")
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
            .or_else(|| sql::statement(&self.text, done?));
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
        for detail in [server.detail(), server.hint(), server.r#where()]
            .into_iter()
            .flatten()
        {
            failure = failure.note(detail);
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
        let failure = failure.with_help(format!(
            "correct the {} and run the test again; nothing of it was kept",
            self.kind
        ));
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
