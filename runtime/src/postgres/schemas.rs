//! The schemas that this process's tests declare: each is read once.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;

use super::address;
use super::migrations::Migrations;
use super::options::Postgres;
use super::schema::Schema;
use super::sql;
use crate::once::Once;
use crate::service::SlotRequest;
use crate::{Result, report};

/// What a schema is read from: the crate's directory, migrations, seeds, extensions, and whether
/// seeds are part of it.
type Key = (PathBuf, Migrations, Vec<PathBuf>, Vec<String>, Option<bool>);

/// What was read. Files are no part of a server: those of the process stay what they were.
static READ: LazyLock<Once<Key, Arc<Schema>>> = LazyLock::new(Once::new);

/// Returns the schema, and how many of the seeds it has.
pub(super) async fn schema(
    options: &Postgres,
    request: &SlotRequest,
) -> Result<(Arc<Schema>, usize)> {
    let cell = READ.cell(&key(options, request));
    let read = async || read(options, request).map(Arc::new);
    let schema = cell.get_or_try_init(read).await?;
    Ok((Arc::clone(schema), schema.seeds()))
}

/// Reads the schema while there is no server yet.
pub(super) fn prepare(options: &Postgres, request: &SlotRequest) {
    // Another test may be at it. What cannot be read is told by the claim.
    if let Some(Ok((schema, _))) = schema(options, request).now_or_never() {
        schema.prefixes(options.user.as_deref().unwrap_or(address::ADMINISTRATOR));
    }
}

fn key(options: &Postgres, request: &SlotRequest) -> Key {
    (
        request.directory.clone(),
        options.migrations.clone(),
        request.seeds.clone(),
        options.extensions.clone(),
        options.template_seeds,
    )
}

fn read(options: &Postgres, request: &SlotRequest) -> Result<Schema> {
    let mut schema = Schema::read(
        &request.directory,
        &options.migrations,
        &request.seeds,
        &options.extensions,
    )?;
    let cut = match options.template_seeds {
        Some(true) => None,
        Some(false) => schema.cut_seeds(|_| true),
        None => schema.cut_seeds(sql::is_volatile),
    };
    if let Some(first) = cut
        && request.verbose
    {
        report::progress(&format!(
            "postgres: {first} and the seeds after it are applied for each test, not in the \
             template ({})",
            match options.template_seeds {
                None => "it reads the clock or draws random numbers",
                Some(_) => "as the test asks for",
            }
        ));
    }
    Ok(schema)
}
