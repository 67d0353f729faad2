//! Drops of databases.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::drop_blockers;
use super::failure::code;
use super::server::Server;
use super::sql::{literal, quoted};

/// How long a session that may not be ended may keep a database.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often such a database is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// Drops a database that this process has claimed, unless it has already been given back.
pub(super) async fn drop_claimed(server: &Server, name: &str) -> Result<(), sqlx::Error> {
    use sqlx::Row;
    let begin = format!(
        "SELECT begin_drop({}, {})",
        literal(name),
        server.info.number
    );
    let mut present: Option<String> = server.ask(&begin).await?.try_get(0)?;
    // A session in it may rename it until it has ended.
    while let Some(name) = present {
        let mut connection = server.work.acquire().await?;
        drop_database(server, &mut connection, &name).await?;
        let forget = format!("SELECT dropped({})", literal(&name));
        let forgotten = connection.fetch_one(AssertSqlSafe(forget)).await?;
        present = forgotten.try_get(0)?;
    }
    Ok(())
}

/// Drops a database of ours, if it is there, whatever is in it.
pub(super) async fn drop_database(
    server: &Server,
    connection: &mut PgConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    let begun = Instant::now();
    loop {
        match try_drop(server, connection, name).await {
            // A session that this role may not end is in it for a moment.
            Err(error)
                if matches!(code(&error).as_deref(), Some("55006" | "42501"))
                    && begun.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            dropped => return dropped,
        }
    }
}

async fn try_drop(
    server: &Server,
    connection: &mut PgConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    let drop = format!("DROP DATABASE IF EXISTS {}", quoted(name));
    // A session in the middle of a statement does not see that its client is gone. Only a
    // superuser can end autovacuum by force; without force it makes way by itself.
    let force = format!("{drop} WITH (FORCE)");
    let forced = connection.execute(AssertSqlSafe(force.clone())).await;
    if forced.is_err() && connection.execute(AssertSqlSafe(drop)).await.is_err() {
        drop_blockers::remove(server, connection, name).await?;
        connection.execute(AssertSqlSafe(force)).await?;
    }
    Ok(())
}

/// Drops a template, finished or not.
pub(super) async fn drop_template(
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
        drop_database(server, registry, name).await?;
    }
    sqlx::query("DELETE FROM template WHERE name = $1")
        .bind(name)
        .execute(registry)
        .await?;
    Ok(())
}
