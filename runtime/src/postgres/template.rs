//! Templates: a schema is applied once, into a database that tests' databases are cloned from.
//!
//! Templates are chained: migrations make one, and each combination of seeds another, cloned from
//! it. A list of migrations that begins with that of a finished template starts from a clone of it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::broken::Broken;
use super::drops::drop_template;
use super::failure::failed;
use super::fill::{Filling, fill};
use super::of_server;
use super::properties;
use super::reuse::snapshot::Snapshot;
use super::schema::Schema;
use super::server::Server;
use super::sql::{literal, quoted};
use crate::record::{self, Step};
use crate::{Result, report};

/// What a template is made from.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) name: String,
    schema: Arc<Schema>,
    /// The role that migrations and seeds run as, and that owns what they make.
    user: String,
    /// Readable part of the name.
    label: String,
}

impl Template {
    /// Returns the template of a schema for a role; its name is readable, and different for
    /// every content.
    pub(super) fn new(schema: Arc<Schema>, user: String, label: &str) -> Self {
        let label: String = label
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .take(24)
            .collect();
        Self {
            name: format!("ct_{label}_{}", schema.hash(&user)),
            schema,
            user,
            label,
        }
    }

    /// Returns what says of the template which migrations it has; nothing if it has more.
    fn base_for_others(&self) -> String {
        if self.schema.has_seeds() {
            return String::new();
        }
        self.schema.prefixes(&self.user).pop().unwrap_or_default()
    }

    /// Returns the template without seeds, if this one has some.
    fn without_seeds(&self) -> Option<Self> {
        let schema = self.schema.without_seeds()?;
        Some(Self::new(Arc::new(schema), self.user.clone(), &self.label))
    }
}

/// Makes the template unless it is there: once per server, by the first process to come. A schema
/// that is known to be broken is not tried again.
pub(super) async fn ensure(server: &Server, template: &Template, broken: &Broken) -> Result<()> {
    let made = server.templates.cell(&template.name);
    let make = made.get_or_try_init(|| find_or_make(server, template, broken));
    // On the heap: what happens only once must not make every test's future as large.
    record::step(Step::Template, "", Box::pin(make))
        .await
        .copied()
}

async fn find_or_make(server: &Server, template: &Template, broken: &Broken) -> Result<()> {
    let failed = failed(format!("make the template database {}", template.name));
    match try_find_or_make(server, template, broken).await {
        Ok(made) => made,
        Err(error) => Err(failed(error)),
    }
}

/// The outer error is one of the registry, the inner one that of migrations or seeds.
async fn try_find_or_make(
    server: &Server,
    template: &Template,
    broken: &Broken,
) -> Result<Result<()>, sqlx::Error> {
    if let Err(error) = server.ensure_user(&template.user).await {
        return Ok(Err(error));
    }
    let mut registry = server.connect(&server.admin).await?;
    let mut made = Ok(());
    if !is_finished(&mut registry, &template.name).await? {
        // One at a time on a server: roles and their settings are the server's. The lock goes
        // with the session, so that a maker that dies lets the next one in.
        let others = || {
            let server = server.endpoint.description();
            format!("waiting for another test that makes a template database on the {server}")
        };
        let lock = registry.execute("SELECT pg_advisory_lock(2, 0)");
        report::waiting(others, lock).await?;
        if let Some(base) = template.without_seeds() {
            made = make_once(server, &mut registry, &base, broken).await?;
        }
        if made.is_ok() {
            made = make_once(server, &mut registry, template, broken).await?;
        }
    }
    // What is not closed properly is closed by the server.
    let _ = registry.close().await;
    Ok(made)
}

/// Makes a template under the lock, unless it is there or is known to be broken.
async fn make_once(
    server: &Server,
    registry: &mut PgConnection,
    template: &Template,
    broken: &Broken,
) -> Result<Result<()>, sqlx::Error> {
    if is_finished(registry, &template.name).await? {
        return Ok(Ok(()));
    }
    if let Some(error) = broken.recall(&template.name) {
        return Ok(Err(error));
    }
    let base = base_of(registry, template).await?;
    let making = || {
        let name = &template.name;
        format!(
            "applying migrations and seeds, once for all tests, in the template database {name}"
        )
    };
    let made = report::waiting(making, make(server, registry, template, base)).await?;
    if let Err(error) = &made {
        broken.remember(&template.name, error);
    }
    Ok(made)
}

/// Returns whether the template is finished: it has its snapshot, which is written last of all. A
/// finished one is marked as used.
async fn is_finished(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "WITH used AS (UPDATE template SET used = clock_timestamp()
                       WHERE name = $1 AND snapshot IS NOT NULL RETURNING name)
         SELECT EXISTS (SELECT FROM used) AND EXISTS (SELECT FROM pg_database WHERE datname = $1)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}

/// A finished template, and how many of the migrations it has that another begins with.
struct Base {
    name: String,
    applied: usize,
}

/// Returns the finished template with the most of the migrations that this one begins with.
async fn base_of(
    connection: &mut PgConnection,
    template: &Template,
) -> Result<Option<Base>, sqlx::Error> {
    let prefixes = template.schema.prefixes(&template.user);
    let base: Option<(String, i64)> = sqlx::query_as(
        "SELECT t.name, prefix.number FROM unnest($1::text[]) WITH ORDINALITY prefix (schema, number)
             JOIN template t ON t.schema = prefix.schema JOIN pg_database d ON d.datname = t.name
         WHERE t.snapshot IS NOT NULL AND t.name <> $2
         ORDER BY prefix.number DESC LIMIT 1",
    )
    .bind(prefixes)
    .bind(&template.name)
    .fetch_optional(connection)
    .await?;
    Ok(base.map(|(name, number)| Base {
        name,
        // The first beginning has no migration.
        applied: usize::try_from(number - 1).unwrap_or_default(),
    }))
}

async fn make(
    server: &Server,
    registry: &mut PgConnection,
    template: &Template,
    base: Option<Base>,
) -> Result<Result<()>, sqlx::Error> {
    let name = &template.name;
    let own = [template.user.as_str(), server.plain.get_username()];
    if let Err(error) = of_server::refuse(&template.schema.scripts(), &own) {
        return Ok(Err(error));
    }
    drop_template(server, registry, name).await?;
    sqlx::query("INSERT INTO template (name, lease, schema) VALUES ($1, $2, $3)")
        .bind(name)
        .bind(server.info.number)
        .bind(template.base_for_others())
        .execute(&mut *registry)
        .await?;
    let applied = base.as_ref().map_or(0, |base| base.applied);
    let created = create(server, registry, template, base).await;
    let filled = match created {
        Ok(base) => {
            let Template {
                name, schema, user, ..
            } = template;
            let filling = Filling {
                schema,
                name,
                user,
                applied,
            };
            fill(server, registry, &filling, base.as_deref()).await
        }
        Err(error) => Err(error),
    };
    let snapshot = match filled {
        Ok(Ok(snapshot)) => snapshot,
        failure => {
            // A half-made template is of no use; if this fails, the next maker drops it.
            let _ = drop_template(server, registry, name).await;
            return failure.map(|filled| filled.map(|_| ()));
        }
    };
    seal(registry, name).await?;
    sqlx::query(
        "UPDATE template SET snapshot = $2, properties = database_properties(name),
             used = clock_timestamp()
         WHERE name = $1",
    )
    .bind(name)
    .bind(snapshot.to_text())
    .execute(registry)
    .await?;
    Ok(Ok(()))
}

/// Creates the template's database; returns the snapshot of the one that it is a clone of.
async fn create(
    server: &Server,
    registry: &mut PgConnection,
    template: &Template,
    base: Option<Base>,
) -> Result<Option<Arc<Snapshot>>, sqlx::Error> {
    let from = base
        .as_ref()
        .map(|base| format!(" TEMPLATE {}", quoted(&base.name)));
    let snapshot = match base {
        Some(base) => self::snapshot(server, &base.name).await?,
        None => None,
    };
    let owner = snapshot
        .as_ref()
        .map_or(&template.user, |snapshot| &snapshot.owner);
    let create = format!(
        "CREATE DATABASE {} OWNER {}{}{}",
        quoted(&template.name),
        quoted(owner),
        from.unwrap_or_default(),
        server.strategy()
    );
    registry.execute(AssertSqlSafe(create)).await?;
    if let Some(snapshot) = &snapshot {
        properties::apply(registry, &template.name, &snapshot.statements).await?;
    }
    Ok(snapshot)
}

/// Lets no session in any more: a database is cloned only while no session is in it.
async fn seal(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let id = quoted(name);
    let close = format!("ALTER DATABASE {id} ALLOW_CONNECTIONS false");
    connection.execute(AssertSqlSafe(close)).await?;
    // Extensions may have background workers in it, and so may the server. What the role may not
    // end makes way by itself.
    let sessions = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = {}",
        literal(name)
    );
    for _ in 0..200 {
        let rows = sqlx::raw_sql(AssertSqlSafe(sessions.clone()));
        let rows = rows.fetch_all(&mut *connection).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let pid: i32 = row.try_get(0)?;
            let end = format!("SELECT pg_terminate_backend({pid})");
            let _ = connection.execute(AssertSqlSafe(end)).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mark = format!("ALTER DATABASE {id} IS_TEMPLATE true");
    connection.execute(AssertSqlSafe(mark)).await?;
    Ok(())
}

/// Returns the snapshot of a finished template, read once per process.
pub(super) async fn snapshot(
    server: &Server,
    template: &str,
) -> Result<Option<Arc<Snapshot>>, sqlx::Error> {
    let cell = server.snapshots.cell(&template.to_owned());
    let read = async || {
        let read = format!(
            "SELECT snapshot FROM template WHERE name = {}",
            literal(template)
        );
        let text: Option<String> = server.ask(&read).await?.try_get(0)?;
        Ok(text
            .and_then(|text| Snapshot::from_text(&text))
            .map(Arc::new))
    };
    cell.get_or_try_init(read).await.cloned()
}
