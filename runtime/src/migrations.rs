//! Migrations and SQL seeds: found, hashed, applied.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::declaration::Migrations;
use crate::once::Once;
use crate::provider::BoxError;
use crate::{Error, Result, sql};

/// Everything that a template is made from.
#[derive(Debug)]
pub(crate) struct Schema {
    migrations: Source,
    seeds: Vec<Script>,
}

#[derive(Debug)]
enum Source {
    Nothing,
    Directory(PathBuf, Vec<File>),
    Inline(Vec<Script>),
}

/// The name of a file, and what is in it.
type File = (String, String);

/// One SQL script.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// What it is, for messages: "seed", "migration".
    kind: &'static str,
    /// Where it was read from, for messages.
    place: String,
    text: String,
}

impl Script {
    /// Reads a seed file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(format!("read the seed {}", path.display()))
                .because(error)
                .with_help(
                    "it was there when the test was compiled; put it back, or correct `seeds(…)`",
                )
        })?;
        Ok(Self {
            kind: "seed",
            place: path.display().to_string(),
            text,
        })
    }

    /// Runs the script, all statements in one transaction unless it has its own.
    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> Result<()> {
        self.run(connection)
            .await
            .map_err(|(error, done)| self.failure(error, Some(done)))
    }

    /// Runs the script; an error comes with the number of statements that were done before.
    async fn run(&self, connection: &mut PgConnection) -> Result<(), (sqlx::Error, usize)> {
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

    /// The error of this script, with line and statement as far as they are known.
    fn failure(&self, error: sqlx::Error, done: Option<usize>) -> Error {
        let server = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let place = server
            .and_then(|server| sql::place_of(&self.text, server))
            .or_else(|| sql::statement(&self.text, done?));
        let Some(server) = server else {
            return Error::new(format!("apply the {} {}", self.kind, self.place)).because(error);
        };
        let (at, statement) = match place {
            Some(place) => (
                format!("{}, line {}", self.place, place.line),
                shortened(place.statement),
            ),
            None => (self.place.clone(), String::new()),
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
        failure.with_help(format!(
            "correct the {} and run the test again; nothing of it was kept",
            self.kind
        ))
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

impl Schema {
    /// What the test declares, read once per process.
    pub(crate) async fn of(
        directory: &Path,
        migrations: Migrations,
        seeds: Vec<PathBuf>,
    ) -> Result<Arc<Self>> {
        type Declared = (PathBuf, Migrations, Vec<PathBuf>);
        static READ: LazyLock<Once<Declared, Arc<Schema>>> = LazyLock::new(Once::new);
        let cell = READ.cell(&(directory.to_owned(), migrations, seeds.clone()));
        let read = async || Self::read(directory, migrations, &seeds).map(Arc::new);
        cell.get_or_try_init(read).await.cloned()
    }

    fn read(directory: &Path, migrations: Migrations, seeds: &[PathBuf]) -> Result<Self> {
        let migrations = match migrations {
            Migrations::Disabled => Source::Nothing,
            Migrations::Inline(scripts) => Source::Inline(
                (1..)
                    .zip(scripts)
                    .map(|(number, text)| Script {
                        kind: "migration",
                        place: format!("number {number} of the list in the attribute"),
                        text: (*text).to_owned(),
                    })
                    .collect(),
            ),
            Migrations::Directory(given) => read_directory(directory.join(given))?,
            Migrations::Default => {
                let usual = directory.join("migrations");
                if usual.is_dir() {
                    read_directory(usual)?
                } else {
                    Source::Nothing
                }
            }
        };
        let seeds = seeds
            .iter()
            .map(|path| Script::read(path))
            .collect::<Result<_>>()?;
        Ok(Self { migrations, seeds })
    }

    /// A hash of all content: equal schemas share a template.
    ///
    /// It is the standard library's, which is compiled with optimisations also where the test is
    /// not: every process needs it. With another compiler it may be another one, and so may the
    /// template be.
    pub(crate) fn hash(&self, salt: &str) -> String {
        let mut hash = DefaultHasher::new();
        salt.hash(&mut hash);
        match &self.migrations {
            Source::Nothing => "nothing".hash(&mut hash),
            Source::Directory(_, files) => ("directory", files).hash(&mut hash),
            Source::Inline(scripts) => {
                "inline".hash(&mut hash);
                for script in scripts {
                    script.text.hash(&mut hash);
                }
            }
        }
        "seeds".hash(&mut hash);
        for seed in &self.seeds {
            seed.text.hash(&mut hash);
        }
        format!("{:012x}", hash.finish() >> 16)
    }

    /// Applies migrations, then seeds.
    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> Result<()> {
        match &self.migrations {
            Source::Nothing => {}
            Source::Directory(directory, files) => {
                let migrator = Migrator::new(directory.as_path())
                    .await
                    .map_err(|error| unreadable(directory, error))?;
                if read_files(directory)? != *files {
                    return Err(unreadable(directory, "they have just changed"));
                }
                if let Err(error) = migrator.run_direct(None, &mut *connection, false).await {
                    return Err(migration_failure(directory, &migrator, error, connection).await);
                }
            }
            Source::Inline(scripts) => {
                for script in scripts {
                    script.apply(connection).await?;
                }
            }
        }
        for seed in &self.seeds {
            seed.apply(connection).await?;
        }
        Ok(())
    }
}

fn unreadable(directory: &Path, cause: impl Into<BoxError>) -> Error {
    Error::new(format!("read the migrations in {}", directory.display()))
        .because(cause)
        .with_help(
            "files are named `<version>_<description>.sql`, with a number as the version, as sqlx has it",
        )
}

fn read_directory(directory: PathBuf) -> Result<Source> {
    let files = read_files(&directory)?;
    Ok(Source::Directory(directory, files))
}

/// The migrations that lead up, by their names.
fn read_files(directory: &Path) -> Result<Vec<File>> {
    if !directory.is_dir() {
        return Err(unreadable(directory, "there is no such directory"));
    }
    let read = || {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".sql") && !name.ends_with(".down.sql") {
                files.push((name.into_owned(), std::fs::read_to_string(&path)?));
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|error: std::io::Error| unreadable(directory, error))
}

async fn migration_failure(
    directory: &Path,
    migrator: &Migrator,
    error: MigrateError,
    connection: &mut PgConnection,
) -> Error {
    let MigrateError::ExecuteMigration(error, version) = error else {
        return Error::new(format!("apply the migrations in {}", directory.display()))
            .because(error);
    };
    let Some(migration) = migrator
        .iter()
        .find(|migration| migration.version == version)
    else {
        return Error::new(format!("apply the migration {version}")).because(error);
    };
    let script = Script {
        kind: "migration",
        place: file_of(directory, version)
            .unwrap_or_else(|| directory.to_owned())
            .display()
            .to_string(),
        text: migration.sql.as_str().to_owned(),
    };
    // The server names no place for what fails when it is executed, and sqlx does not count the
    // statements; so the migration runs once more. The database is dropped anyway.
    let again = script.run(connection).await.err();
    let same = again.filter(|(again, _)| code(again) == code(&error));
    script.failure(error, same.map(|(_, done)| done))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The file of a version: sqlx keeps the version and the description, not the name.
fn file_of(directory: &Path, version: i64) -> Option<PathBuf> {
    std::fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let number = name
                .split('_')
                .next()
                .and_then(|number| number.parse::<i64>().ok());
            number == Some(version) && !name.ends_with(".down.sql")
        })
}
