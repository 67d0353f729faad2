//! A migrator of sqlx: run, and explained where it fails.

use std::path::Path;

use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr};
use sqlx_core::migrate::{MigrateError, Migration, Migrator};

use super::failure::{code, failed};
use super::files;
use super::roles::Before;
use super::script::{DEFAULTS, MIGRATION, Script};
use crate::{Error, Result};

/// Where the migrations of a migrator are from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The files of a directory.
    Directory(&'a Path),
    /// The program.
    Static,
}

/// Returns a copy of a migrator: sqlx has none.
pub(super) fn copy(migrator: &Migrator) -> Migrator {
    Migrator {
        migrations: migrator.migrations.clone(),
        table_name: migrator.table_name.clone(),
        create_schemas: migrator.create_schemas.clone(),
        ..*migrator
    }
}

/// Applies migrations that the database does not have yet. `before` is what roles were before.
pub(super) async fn run(
    mut migrator: Migrator,
    origin: Origin<'_>,
    connection: &mut PgConnection,
    before: &Before,
) -> Result<()> {
    for migration in migrator.migrations.to_mut() {
        // The checksum stays that of the file. Each file starts with the defaults of a session, and
        // sqlx's own statements after it do as well. One without a transaction is alone, and sets
        // nothing for others.
        let mut adapted = before.adapt(migration.sql.as_str());
        if !migration.no_tx {
            adapted = format!("{adapted}\n;{DEFAULTS}");
        }
        migration.sql = AssertSqlSafe(adapted).into_sql_str();
    }
    match migrator.run_direct(None, &mut *connection, false).await {
        Ok(()) => Ok(()),
        Err(error) => Err(failure(origin, &migrator, error, connection).await),
    }
}

async fn failure(
    origin: Origin<'_>,
    migrator: &Migrator,
    error: MigrateError,
    connection: &mut PgConnection,
) -> Error {
    let (error, version) = match error {
        MigrateError::ExecuteMigration(error, version) => (error, Some(version)),
        // At the end of a transaction; which one, the list of applied migrations shows.
        MigrateError::Execute(error) => {
            let version = first_to_apply(migrator, connection).await;
            (error, version)
        }
        error => return Error::new(origin.step()).because(error),
    };
    let Some(migration) = up(migrator).find(|migration| Some(migration.version) == version) else {
        return failed(origin.step())(error);
    };
    let mut script = script(migration);
    if let Origin::Directory(directory) = origin {
        let file = files::of_version(directory, migration.version);
        let file = file.unwrap_or_else(|| directory.to_owned());
        script.source = file.display().to_string();
    }
    // The server names no place for what fails when it is executed, and sqlx does not count the
    // statements; so the migration runs once more. The database is dropped anyway.
    let again = script.run(connection).await.err();
    let same = again.filter(|(again, _)| code(again) == code(&error));
    script.failure(error, same.map(|(_, done)| done))
}

/// Returns a migration as a script.
pub(super) fn script(migration: &Migration) -> Script {
    let text = migration.sql.as_str();
    let ours = text.find(&format!("\n;{DEFAULTS}"));
    Script {
        kind: MIGRATION,
        source: format!("{} ({})", migration.version, migration.description),
        text: ours.map_or(text, |ours| &text[..ours]).to_owned(),
    }
}

/// Returns the migrations that lead up.
fn up(migrator: &Migrator) -> impl Iterator<Item = &Migration> {
    migrator
        .iter()
        .filter(|migration| !migration.migration_type.is_down_migration())
}

/// Returns the version of the first migration that is not applied.
async fn first_to_apply(migrator: &Migrator, connection: &mut PgConnection) -> Option<i64> {
    let applied = format!("SELECT version FROM {}", migrator.table_name);
    let applied: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(applied))
        .fetch_all(connection)
        .await
        .ok()?;
    up(migrator)
        .find(|migration| !applied.contains(&migration.version))
        .map(|migration| migration.version)
}

impl Origin<'_> {
    fn step(self) -> String {
        match self {
            Self::Directory(directory) => {
                format!("apply the migrations in {}", directory.display())
            }
            Self::Static => "apply the migrations of the migrator".to_owned(),
        }
    }
}
