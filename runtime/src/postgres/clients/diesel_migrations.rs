//! Migrations that `diesel_migrations` has compiled in.

use std::any::Any;

use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::{Migration, MigrationSource, Result as Outcome};
use diesel::pg::Pg;
use diesel::{Connection, PgConnection, QueryResult};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::postgres::code::Code;
use crate::postgres::migrations::{IntoMigrations, Migrations};
use crate::postgres::script::Script;
use crate::postgres::tool::{Stopped, Tool};

impl IntoMigrations<()> for EmbeddedMigrations {
    fn migrations(&'static self) -> Migrations {
        // One whose list cannot be read fails when it is run, with the reason.
        let scripts = scripts(self).unwrap_or_default();
        let run = move |url: String| async move { run(self, &url) };
        Migrations::Code(Code::tool(Tool::new("diesel", None, scripts, run)))
    }
}

/// Returns the migrations in the order in which diesel applies them.
fn scripts(source: &EmbeddedMigrations) -> Outcome<Vec<Script>> {
    let mut migrations: Vec<Box<dyn Migration<Pg>>> = MigrationSource::migrations(source)?;
    migrations.sort_by(|one, other| one.name().version().cmp(&other.name().version()));
    let mut scripts = Vec::new();
    for migration in migrations {
        let mut recorder = Recorder::default();
        migration.run(&mut recorder)?;
        scripts.push(Script {
            kind: "diesel migration",
            source: migration.name().to_string(),
            text: recorder.0,
        });
    }
    Ok(scripts)
}

/// Applies the migrations that are pending. It blocks.
fn run(source: &'static EmbeddedMigrations, url: &str) -> Result<(), Stopped> {
    let mut connection = PgConnection::establish(url)?;
    for migration in connection.pending_migrations(Shared(source))? {
        connection
            .run_migration(&migration)
            .map_err(|cause| Stopped::new(Some(migration.name().to_string()), cause))?;
    }
    Ok(())
}

/// Migrations that are not moved into the connection, as diesel's are.
struct Shared(&'static EmbeddedMigrations);

impl MigrationSource<Pg> for Shared {
    fn migrations(&self) -> Outcome<Vec<Box<dyn Migration<Pg>>>> {
        MigrationSource::migrations(self.0)
    }
}

/// A connection that collects what a migration sends: its SQL is private.
#[derive(Default)]
struct Recorder(String);

impl SimpleConnection for Recorder {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.push_str(query);
        Ok(())
    }
}

impl BoxableConnection<Pg> for Recorder {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
