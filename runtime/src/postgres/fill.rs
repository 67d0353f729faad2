//! A template's database is filled: migrations and seeds run, what they did to roles is put back, and
//! what it holds is read.

use sqlx::{Connection, PgConnection};

use super::address;
use super::properties;
use super::reuse::snapshot::{Contents, Snapshot};
use super::role_settings;
use super::role_state::RoleState;
use super::roles::{self, Before, Roles};
use super::schema::{Schema, Target};
use super::server::Server;
use crate::Result;

/// What is filled, and with what.
pub(super) struct Filling<'a> {
    pub(super) schema: &'a Schema,
    /// The name of the database.
    pub(super) name: &'a str,
    /// The role that migrations and seeds run as.
    pub(super) user: &'a str,
    /// How many of the migrations are in it already.
    pub(super) applied: usize,
}

/// Applies migrations and seeds, as the role that the tests will use.
pub(super) async fn fill(
    server: &Server,
    registry: &mut PgConnection,
    filling: &Filling<'_>,
    base: Option<&Snapshot>,
) -> Result<Result<Snapshot>, sqlx::Error> {
    let &Filling {
        schema,
        name,
        user,
        applied,
    } = filling;
    if applied == 0
        && let Err(error) = prepare(server, schema, name, user).await?
    {
        return Ok(Err(error));
    }
    let superuser = server.info.superuser;
    let own = [user, server.plain.get_username()];
    let options = server.plain.clone().database(name).username(user);
    let options = address::writable(options);
    // To open a session takes as long as all these questions: both are done at once.
    let asking = async {
        let existing = roles::all(registry).await?;
        let before = Before {
            made: roles::made(registry).await?,
            settings: Some(role_settings::read(registry).await?),
        };
        let state = RoleState::read(registry, superuser, &own, name).await?;
        Ok::<_, sqlx::Error>((existing, before, state))
    };
    let (asked, connected) = tokio::join!(asking, server.connect(&options));
    let ((existing, before, state), mut connection) = (asked?, connected?);
    let target = Target {
        options: options.clone(),
        url: address::url(&server.endpoint, user, name),
    };
    let applied = schema
        .apply(target, &mut connection, applied, &before)
        .await;
    // What is not closed properly is closed by the server.
    let _ = connection.close().await;
    // Whatever the migrations did: other tests must not see it.
    let undoing = async {
        let after = roles::all(registry).await?;
        let made: Roles = before.made.into_iter().chain(&after - &existing).collect();
        let scripts = schema.scripts();
        let changed = state.restore(registry, superuser, name, &made, &scripts);
        let changed = changed.await?;
        if let Some(settings) = before.settings {
            role_settings::confine(registry, name, &settings).await?;
        }
        roles::record_new(registry, &existing).await?;
        Ok::<_, sqlx::Error>((changed, properties::read(registry, name).await?))
    };
    if let Err(error) = applied {
        undoing.await?;
        return Ok(Err(error));
    }
    let (undone, contents) = tokio::join!(undoing, contents(server, name, base));
    let (changed, properties) = undone?;
    // If roles were changed, that is why the rest has failed.
    if let Some(error) = changed {
        return Ok(Err(error));
    }
    Ok(Ok(Snapshot::new(properties, contents?)))
}

/// Returns what a template holds, tidied up if its clones can be recycled.
async fn contents(
    server: &Server,
    name: &str,
    base: Option<&Snapshot>,
) -> Result<Contents, sqlx::Error> {
    if !server.can_recycle() {
        return Ok(Contents::unknown());
    }
    let mut connection = server.connect(&server.admin.clone().database(name)).await?;
    let contents = Contents::tidy(&mut connection, server.info.version_number, base).await?;
    connection.close().await?;
    Ok(contents)
}

/// Does what only the administrator may do before the migrations of a database run.
pub(super) async fn prepare(
    server: &Server,
    schema: &Schema,
    database: &str,
    user: &str,
) -> Result<Result<()>, sqlx::Error> {
    let owner = server.lacks_schema_public(user).then_some(user);
    if owner.is_none() && !schema.has_extensions() {
        return Ok(Ok(()));
    }
    let administer = server.admin.clone().database(database);
    let mut administrator = server.connect(&administer).await?;
    let prepared = schema.prepare(&mut administrator, owner).await;
    // What is not closed properly is closed by the server.
    let _ = administrator.close().await;
    Ok(prepared)
}
