//! SQL migrations that another tool applies: it writes into the database which ones it has applied,
//! and applies the others.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::error::DatabaseError;

use super::clients::errors::describe;
use super::own_thread;
use super::program;
use super::script::Script;
use crate::service::BoxError;
use crate::{Error, Result};

/// A list of migrations, and the tool that applies them.
pub(super) struct Tool {
    /// The tool, for messages.
    pub(super) name: &'static str,
    /// The function that has made the list, if it is one. It may set what the list does not show.
    function: Option<&'static str>,
    /// The migrations that lead up, in the order in which the tool applies them.
    scripts: Vec<Script>,
    /// Applies those that are pending in the database at a URL.
    run: Box<dyn Fn(String) -> Running + Send + Sync>,
    /// A hash of the list.
    hash: u64,
}

type Running = Pin<Box<dyn Future<Output = Result<(), Stopped>>>>;

/// Why a tool has stopped.
pub(super) struct Stopped {
    /// The migration that it has stopped in, as [`Script::source`], if the tool says so.
    migration: Option<String>,
    cause: BoxError,
}

impl Tool {
    /// Returns migrations, and what applies those that are pending in the database at a URL. It may
    /// block.
    #[allow(dead_code, reason = "each tool is behind a feature")]
    pub(super) fn new<F>(
        name: &'static str,
        function: Option<&'static str>,
        scripts: Vec<Script>,
        run: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Stopped>> + 'static,
    {
        let mut hash = DefaultHasher::new();
        (name, function).hash(&mut hash);
        for script in &scripts {
            (&script.source, &script.text).hash(&mut hash);
        }
        Self {
            name,
            function,
            scripts,
            run: Box::new(move |url| Box::pin(run(url))),
            hash: hash.finish(),
        }
    }

    /// Returns a number that differs where the migrations differ.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the migrations in the order in which they are applied.
    pub(super) fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// Returns what a schema is known by beside its scripts.
    pub(super) fn fingerprint(&self) -> Result<String> {
        Ok(match self.function {
            Some(function) => format!("{function} {}", program::fingerprint()?),
            None => self.name.to_owned(),
        })
    }

    /// Applies the migrations that the database at a URL does not have yet. `connection` is one to
    /// that database.
    pub(super) async fn apply(
        self: &Arc<Self>,
        url: String,
        connection: &mut PgConnection,
    ) -> Result<()> {
        let tool = Arc::clone(self);
        let stopped = match own_thread::run(move || (tool.run)(url)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(stopped)) => stopped,
            Err(cause) => Stopped::from(cause),
        };
        let migration = stopped.migration;
        let of_tool = |script: &&Script| migration.as_ref() == Some(&script.source);
        if let Some(script) = self.scripts.iter().find(of_tool) {
            // Tools name neither line nor SQLSTATE; so the migration runs once more. The database is
            // dropped anyway.
            let again = script.run(connection).await.err();
            let same = again.filter(|(error, _)| says(&*stopped.cause, error));
            if let Some((error, done)) = same {
                return Err(script.failure(error, Some(done)));
            }
        }
        let step = match migration {
            Some(migration) => format!("apply the {} migration {migration}", self.name),
            None => format!("apply the migrations of {}", self.name),
        };
        let error = Error::new(step).because(stopped.cause);
        Err(error.described_by(describe))
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migrations of {}", self.name)
    }
}

impl Stopped {
    /// Returns why a tool has stopped, and in which migration.
    pub(super) fn new(migration: Option<String>, cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        Self { migration, cause }
    }
}

impl<E: Into<BoxError>> From<E> for Stopped {
    fn from(cause: E) -> Self {
        Self::new(None, cause)
    }
}

/// Returns whether an error of a tool has the words of the server.
fn says(cause: &(dyn StdError + 'static), error: &sqlx::Error) -> bool {
    let message = error.as_database_error().map(DatabaseError::message);
    let mut causes = std::iter::successors(Some(cause), |&cause| cause.source());
    message.is_some_and(|message| causes.any(|cause| cause.to_string().contains(message)))
}
