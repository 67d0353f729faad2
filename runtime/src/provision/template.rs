//! Templates: a schema is applied once, into a database that tests' databases are cloned from.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::postgres::Request;
use crate::sql::{literal, quoted};
use crate::{Error, Result};

/// The name of the request's template: readable, and different for every content.
pub(super) fn name(request: &Request) -> String {
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
        request
            .schema
            .hash(request.user.as_deref().unwrap_or_default())
    )
}

/// Makes the template unless it is there: once per server, whoever comes first.
pub(super) async fn ensure(
    registry: &PgConnectOptions,
    name: &str,
    user: &str,
    request: &Request,
) -> Result<()> {
    let failed = |error: sqlx::Error| {
        Error::new(format!("make the template database {name}")).because(error)
    };
    let mut registry_connection = PgConnection::connect_with(registry).await.map_err(failed)?;
    if !is_finished(&mut registry_connection, name)
        .await
        .map_err(failed)?
    {
        // The lock goes with the session, so that a maker that dies lets the next one in.
        sqlx::query("SELECT pg_advisory_lock(2, hashtext($1))")
            .bind(name)
            .execute(&mut registry_connection)
            .await
            .map_err(failed)?;
        if !is_finished(&mut registry_connection, name)
            .await
            .map_err(failed)?
        {
            make(&mut registry_connection, registry, name, user, request).await?;
        }
    }
    // What is not closed properly is closed by the server.
    let _ = registry_connection.close().await;
    Ok(())
}

/// A finished template is marked as one, last of all.
async fn is_finished(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}

async fn make(
    registry_connection: &mut PgConnection,
    registry: &PgConnectOptions,
    name: &str,
    user: &str,
    request: &Request,
) -> Result<()> {
    let failed = |error: sqlx::Error| {
        Error::new(format!("make the template database {name}")).because(error)
    };
    let id = quoted(name);
    let drop_half_made = format!("DROP DATABASE IF EXISTS {id} WITH (FORCE)");
    registry_connection
        .execute(AssertSqlSafe(drop_half_made.clone()))
        .await
        .map_err(failed)?;
    let create = format!("CREATE DATABASE {id} OWNER {}", quoted(user));
    registry_connection
        .execute(AssertSqlSafe(create))
        .await
        .map_err(failed)?;

    let options = registry.clone().database(name).username(user);
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    let applied = request.schema.apply(&mut connection).await;
    let closed = connection.close().await;
    if let Err(error) = applied {
        // A half-made template is of no use; if this fails, the next maker drops it.
        let _ = registry_connection
            .execute(AssertSqlSafe(drop_half_made))
            .await;
        return Err(error);
    }
    closed.map_err(failed)?;

    seal(registry_connection, name).await.map_err(failed)
}

/// Lets nobody in any more, and marks the template as finished.
async fn seal(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let id = quoted(name);
    connection
        .execute(AssertSqlSafe(format!(
            "ALTER DATABASE {id} ALLOW_CONNECTIONS false"
        )))
        .await?;
    // Extensions may have background workers in it, which would keep it from being cloned.
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
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    connection
        .execute(AssertSqlSafe(format!(
            "ALTER DATABASE {id} IS_TEMPLATE true"
        )))
        .await?;
    Ok(())
}
