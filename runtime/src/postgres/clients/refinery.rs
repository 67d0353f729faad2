//! The runner of `refinery`, on `tokio-postgres`.

use std::any::type_name;

use refinery_core::error::Kind;
use refinery_core::{Error, Migration, Runner};
use tokio_postgres::{Config, NoTls};

use crate::postgres::code::Code;
use crate::postgres::migrations::{IntoMigrations, Migrations};
use crate::postgres::script::Script;
use crate::postgres::tool::{Stopped, Tool};

/// The kind of a function that returns a runner.
#[derive(Debug)]
pub struct Refinery;

impl<F> IntoMigrations<Refinery> for F
where
    F: Fn() -> Runner + Sync + 'static,
{
    fn migrations(&'static self) -> Migrations {
        let mut migrations = self().get_migrations().clone();
        migrations.sort();
        let scripts = migrations.iter().map(|migration| Script {
            kind: "refinery migration",
            source: migration.to_string(),
            text: migration.sql().unwrap_or_default().to_owned(),
        });
        let run = move |url| run(self(), url);
        let tool = Tool::new("refinery", Some(type_name::<F>()), scripts.collect(), run);
        Migrations::Code(Code::tool(tool))
    }
}

/// Applies the migrations that are pending.
async fn run(runner: Runner, url: String) -> Result<(), Stopped> {
    let (mut client, connection) = url.parse::<Config>()?.connect(NoTls).await?;
    // It ends with the client, or with the runtime. The client reports its errors.
    let connection = tokio::spawn(connection);
    let applied = runner.run_async(&mut client).await;
    drop(client);
    let _ = connection.await;
    applied.map(|_| ()).map_err(|error| {
        let migration = migration_of(runner.get_migrations(), &error);
        Stopped::new(migration.map(ToString::to_string), error)
    })
}

/// Returns the migration that an error is of: its message ends with the name.
fn migration_of<'a>(migrations: &'a [Migration], error: &Error) -> Option<&'a Migration> {
    let Kind::Connection(message, _) = error.kind() else {
        return None;
    };
    let name = message.rsplit(' ').next()?;
    migrations
        .iter()
        .find(|migration| migration.to_string() == name)
}
