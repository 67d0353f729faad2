//! Clones of templates: made for a test, or prewarmed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::drops::drop_claimed;
use super::failure::{code, failed};
use super::lease::PATIENCE;
use super::properties;
use super::server::Server;
use super::sql::{literal, quoted};
use super::sweep::drop_abandoned;
use super::template;
use crate::record::{self, Step};
use crate::{Error, Result, report};

/// Clones that are ready per template, once one was missing.
const READY: i64 = 4;

/// How often a test that waits for a database to be dropped looks for those of dead processes.
const LOOK: Duration = Duration::from_secs(5);

/// How long a template may be in use when it is to be cloned.
const PATIENCE_WITH_TEMPLATE: Duration = Duration::from_secs(30);

/// Returns the name that a clone gets after this one; see `registry.sql`.
pub(super) fn next_name(database: &str) -> String {
    let times = database.rsplit_once('r');
    let times = times.and_then(|(first, times)| Some((first, times.parse::<u64>().ok()?)));
    let (first, times) = times.unwrap_or((database, 0));
    format!("{first}r{}", times + 1)
}

/// Makes a clone for one test, whose pool opens so many connections; returns its name.
pub(super) async fn make(
    server: &Arc<Server>,
    template: &str,
    test: &str,
    pool: u32,
) -> Result<String> {
    let step = format!("create a database from the template {template}");
    let most = server.most_claims(pool);
    let begun = Instant::now();
    let (mut looked, mut told) = (begun, false);
    let claim = format!(
        "SELECT claim_new({}, {}, {}, NULL, {})",
        literal(template),
        server.info.number,
        literal(test),
        most.map_or_else(|| "NULL".to_owned(), |most| most.to_string())
    );
    let name = loop {
        use sqlx::Row;
        let row = server.ask(&claim).await.map_err(failed(&step))?;
        if let Some(name) = row.try_get::<Option<String>, _>(0).map_err(failed(&step))? {
            break name;
        }
        if !told && begun.elapsed() > report::SILENCE {
            told = true;
            report::progress(&format!(
                "waiting for one of the {} databases that fit the {}",
                most.unwrap_or_default(),
                server.endpoint.description()
            ));
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            drop_abandoned(server).await.map_err(failed(&step))?;
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new("claim a database")
                .because(format!(
                    "all {} databases that its max_connections allows are in use",
                    most.unwrap_or_default()
                ))
                .with_help("raise max_connections, or run fewer tests at the same time"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut connection = server.work.acquire().await.map_err(failed(&step))?;
    let create = create(server, &mut connection, &name, template);
    let cloning = || format!("cloning the template database {template}");
    if let Err(error) = report::waiting(cloning, create).await {
        drop(connection);
        // The claim without a database, or with half of one, would only be in the way.
        let _ = drop_claimed(server, &name).await;
        return Err(failed(&step)(error));
    }
    Ok(name)
}

/// Prewarms clones, in the background, until enough are ready.
pub(super) fn top_up(server: &Arc<Server>, template: String) {
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let Ok(_alone) = server.topping_up.try_lock() else {
            return;
        };
        let Ok(mut connection) = server.work.acquire().await else {
            return;
        };
        // Prewarmed clones save time; without them tests make their own.
        while let Ok(Some(name)) = next(&server, &mut connection, &template).await {
            let create = create(&server, &mut connection, &name, &template);
            if record::step(Step::Clone, "", create).await.is_err() {
                let _ = drop_claimed(&server, &name).await;
                break;
            }
            let ready = sqlx::query("DELETE FROM claim WHERE database = $1").bind(name);
            if ready.execute(&mut *connection).await.is_err() {
                break;
            }
        }
    });
}

/// Claims the name of the next clone to prewarm, if one is needed: it is not ready before it has
/// everything that its template has.
async fn next(
    server: &Server,
    connection: &mut PgConnection,
    template: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT claim_new($1, $2, '', NULL, NULL) WHERE (SELECT count(*) FROM ready($1)) < $3",
    )
    .bind(template)
    .bind(server.info.number)
    .bind(READY)
    .fetch_optional(connection)
    .await
}

/// Creates a clone with everything that its template has.
async fn create(
    server: &Arc<Server>,
    connection: &mut PgConnection,
    name: &str,
    template: &str,
) -> Result<(), sqlx::Error> {
    let snapshot = template::snapshot(server, template).await?;
    let owner = snapshot.as_ref().map(|snapshot| snapshot.owner.as_str());
    let owner = owner.map(|owner| format!(" OWNER {}", quoted(owner)));
    let statement = format!(
        "CREATE DATABASE {} TEMPLATE {}{}{}",
        quoted(name),
        quoted(template),
        owner.unwrap_or_default(),
        server.strategy()
    );
    let begun = Instant::now();
    loop {
        match connection.execute(AssertSqlSafe(statement.clone())).await {
            // A session is in the template, such as a worker of an extension, for a moment.
            Err(error)
                if code(&error).as_deref() == Some("55006")
                    && begun.elapsed() < PATIENCE_WITH_TEMPLATE =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            created => break created.map(|_| ())?,
        }
    }
    match snapshot {
        Some(snapshot) => properties::apply(connection, name, &snapshot.statements).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::next_name;

    #[test]
    fn a_clone_is_renamed_again_and_again() {
        assert_eq!(next_name("ct_order_0f3r_17"), "ct_order_0f3r_17r1");
        assert_eq!(next_name("ct_order_0f3r_17r9"), "ct_order_0f3r_17r10");
    }
}
