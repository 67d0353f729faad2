//! Templates: a schema is applied once, into a database that tests' databases are cloned from.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::databases::{drop_whatever_is_in_it, strategy};
use super::profile::Profile;
use super::server::explained;
use super::{Request, Server};
use crate::sql::{literal, quoted};
use crate::{Error, Result};

/// The name of the request's template: readable, and different for every content.
pub(super) fn name(server: &Server, request: &Request) -> String {
    let label: String = request
        .label
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
    format!(
        "ct_{label}_{}",
        request.schema.hash(&server.user(request.user.as_deref()))
    )
}

/// Makes the template unless it is there: once per server, whoever comes first.
pub(super) async fn ensure(server: &Server, name: &str, request: &Request) -> Result<()> {
    let made = server.templates.cell(&name.to_owned());
    made.get_or_try_init(|| find_or_make(server, name, request))
        .await
        .copied()
}

async fn find_or_make(server: &Server, name: &str, request: &Request) -> Result<()> {
    let user = server.user(request.user.as_deref());
    server.ensure_user(&user).await?;
    let failed = |error: sqlx::Error| {
        Error::new(format!("make the template database {name}")).because(error)
    };
    let mut registry = server.connect(&server.admin).await.map_err(failed)?;
    if !is_finished(&mut registry, name).await.map_err(failed)? {
        // The lock goes with the session, so that a maker that dies lets the next one in.
        let lock = sqlx::query("SELECT pg_advisory_lock(2, hashtext($1))").bind(name);
        lock.execute(&mut registry).await.map_err(failed)?;
        if !is_finished(&mut registry, name).await.map_err(failed)? {
            make(server, &mut registry, name, &user, request).await?;
        }
    }
    // What is not closed properly is closed by the server.
    let _ = registry.close().await;
    Ok(())
}

/// Whether the template is finished: it has its profile, which is written last of all. A
/// finished one is marked as used.
async fn is_finished(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "WITH used AS (UPDATE template SET used = clock_timestamp()
                       WHERE name = $1 AND profile IS NOT NULL RETURNING name)
         SELECT EXISTS (SELECT FROM used) AND EXISTS (SELECT FROM pg_database WHERE datname = $1)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}

async fn make(
    server: &Server,
    registry: &mut PgConnection,
    name: &str,
    user: &str,
    request: &Request,
) -> Result<()> {
    let failed = |error: sqlx::Error| {
        Error::new(format!("make the template database {name}")).because(error)
    };
    drop_template(server, registry, name)
        .await
        .map_err(failed)?;
    sqlx::query("INSERT INTO template (name, lease) VALUES ($1, $2)")
        .bind(name)
        .bind(server.facts.number)
        .execute(&mut *registry)
        .await
        .map_err(failed)?;
    let create = format!(
        "CREATE DATABASE {} OWNER {}{}",
        quoted(name),
        quoted(user),
        strategy(server)
    );
    registry
        .execute(AssertSqlSafe(create))
        .await
        .map_err(|error| explained(failed, error))?;

    let profile = match fill(server, name, user, request).await {
        Ok(profile) => profile,
        Err(error) => {
            // A half-made template is of no use; if this fails, the next maker drops it.
            let _ = drop_template(server, registry, name).await;
            return Err(error);
        }
    };
    seal(registry, name).await.map_err(failed)?;
    sqlx::query("UPDATE template SET profile = $2, used = clock_timestamp() WHERE name = $1")
        .bind(name)
        .bind(profile.to_text())
        .execute(registry)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Applies migrations and static seeds, as the role that the tests will use.
async fn fill(server: &Server, name: &str, user: &str, request: &Request) -> Result<Profile> {
    let failed = |error: sqlx::Error| {
        Error::new(format!("fill the template database {name}")).because(error)
    };
    let options = server.admin.clone().database(name).username(user);
    let mut connection = server.connect(&options).await.map_err(failed)?;
    let applied = request.schema.apply(&mut connection).await;
    let profile = match applied {
        Ok(()) => Profile::read(&mut connection, server).await.map_err(failed),
        Err(error) => Err(error),
    };
    connection.close().await.map_err(failed)?;
    profile
}

/// Lets nobody in any more: a database is cloned only while nobody is in it.
async fn seal(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let id = quoted(name);
    connection
        .execute(AssertSqlSafe(format!(
            "ALTER DATABASE {id} ALLOW_CONNECTIONS false"
        )))
        .await?;
    // Extensions may have background workers in it.
    let others = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = {}",
        literal(name)
    );
    for _ in 0..200 {
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(others.clone()))
            .fetch_one(&mut *connection)
            .await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    connection
        .execute(AssertSqlSafe(format!(
            "ALTER DATABASE {id} IS_TEMPLATE true"
        )))
        .await?;
    Ok(())
}

async fn drop_template(
    server: &Server,
    registry: &mut PgConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    let marked: Option<bool> =
        sqlx::query_scalar("SELECT datistemplate FROM pg_database WHERE datname = $1")
            .bind(name)
            .fetch_optional(&mut *registry)
            .await?;
    if marked == Some(true) {
        registry
            .execute(AssertSqlSafe(format!(
                "ALTER DATABASE {} IS_TEMPLATE false",
                quoted(name)
            )))
            .await?;
    }
    if marked.is_some() {
        drop_whatever_is_in_it(server, registry, name).await?;
    }
    sqlx::query("DELETE FROM template WHERE name = $1")
        .bind(name)
        .execute(registry)
        .await?;
    Ok(())
}

/// Drops templates that are half-made by processes that are gone, or that nobody used for a day.
pub(super) async fn drop_stale(server: &Server) -> Result<(), sqlx::Error> {
    // It is marked as half-made, by us: nobody takes it for finished from now on, and whoever
    // has just used it makes this do nothing.
    const MARK: &str = "
        UPDATE template SET profile = NULL, lease = $1
        WHERE name = (SELECT stale_template())
          AND (profile IS NULL OR used < clock_timestamp() - interval '1 day')
          AND lease NOT IN (SELECT live_leases())
        RETURNING name";
    const STILL_OURS: &str =
        "SELECT EXISTS (SELECT FROM template WHERE name = $1 AND profile IS NULL AND lease = $2)";
    let mut registry = server.connect(&server.admin).await?;
    while let Some(name) = sqlx::query_scalar::<_, String>(MARK)
        .bind(server.facts.number)
        .fetch_optional(&mut registry)
        .await?
    {
        // Whoever has the lock makes it anew. It goes with the session.
        let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(2, hashtext($1))")
            .bind(&name)
            .fetch_one(&mut registry)
            .await?;
        let ours = alone
            && sqlx::query_scalar(STILL_OURS)
                .bind(&name)
                .bind(server.facts.number)
                .fetch_one(&mut registry)
                .await?;
        if ours {
            // One that cannot be dropped is tried again by others.
            let _ = drop_template(server, &mut registry, &name).await;
        }
    }
    registry.close().await
}
