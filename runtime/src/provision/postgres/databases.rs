//! Claims, clones, drops.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::server::{code, explained};
use super::session::Session;
use super::{Claim, Request, Server, obstacles, template};
use crate::sql::{literal, quoted};
use crate::{Error, Result, background, report};

/// Clones kept ready per template once one was missing.
const READY: i64 = 4;

/// How long tests wait for a place on a server whose connections are all in use.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// How long they do so in silence, and how often they look for places of processes that are gone.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// How long the end of a test waits for what processes that are gone have left to be dropped.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(30);

/// Gives a test a database of its own.
pub(super) async fn claim(server: &Arc<Server>, request: &Arc<Request>) -> Result<Claim> {
    let (server, request) = (Arc::clone(server), Arc::clone(request));
    background::run(async move {
        let template = template::name(&server, &request);
        // Clones are made ahead only where they go with the server.
        let ahead = request.name.is_none() && !server.endpoint.outlives_us();
        let recycle = request.recycle && ahead && server.can_recycle();
        let (own, kept) = if recycle {
            server.kept.take(&template).await.unzip()
        } else {
            (None, None)
        };
        let ready = if ahead {
            let ready = claim_ready(&server, &template, &request, own.as_deref()).await?;
            if ready.is_none() && free_idle(&server).await? {
                claim_ready(&server, &template, &request, None).await?
            } else {
                ready
            }
        } else {
            None
        };
        let (database, stats_reset) = if let Some(ready) = ready {
            ready
        } else {
            template::ensure(&server, &template, &request).await?;
            let database = make_clone(&server, &template, &request).await?;
            if ahead {
                top_up(&server, template.clone());
            }
            (database, None)
        };
        let user = server.user(request.user.as_deref());
        let kept = kept.filter(|_| own.as_ref() == Some(&database));
        let mut claim = Claim {
            server,
            database,
            template,
            user,
            ahead,
            recycle,
            stats_reset,
            session: Mutex::new(None),
            mark: None,
            made: Arc::default(),
        };
        let session = match kept {
            Some(session) => Some(session),
            None if recycle => {
                let version = claim.server.facts.version_number;
                Session::open(&claim.options(), version).await
            }
            None => None,
        };
        claim.mark = session.as_ref().map(|session| session.mark);
        claim.session = Mutex::new(session);
        Ok(claim)
    })
    .await
}

/// Claims a clone that is ready, best of all the process's own; gives its name, and when its
/// statistics were set to zero.
async fn claim_ready(
    server: &Arc<Server>,
    template: &str,
    request: &Request,
    own: Option<&str>,
) -> Result<Option<(String, Option<String>)>> {
    let failed = |error: sqlx::Error| Error::new("claim a database").because(error);
    // In one message, and so in one round trip: a process may well run but one test.
    let claim = format!(
        "SELECT * FROM claim_ready({}, {}, {}, {})",
        literal(template),
        server.facts.number,
        literal(&request.test),
        own.map_or_else(|| "NULL".to_owned(), literal)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(claim))
        .fetch_one(&mut *server.lease.lock().await)
        .await
        .map_err(failed)?;
    let claimed: Option<String> = row.try_get("claimed").map_err(failed)?;
    let left: Option<i64> = row.try_get("ready_left").map_err(failed)?;
    // Recycled databases come back: as long as one is left, there are enough.
    if claimed.is_some() && left == Some(0) {
        top_up(server, template.to_owned());
    }
    let stats_reset = row.try_get("stats_reset").map_err(failed)?;
    Ok(claimed.map(|name| (name, stats_reset)))
}

/// Looks for what processes that are gone have left: what is dirty is dropped in the background;
/// tells whether there may be what is not.
async fn free_idle(server: &Arc<Server>) -> Result<bool> {
    let failed = |error: sqlx::Error| Error::new("look for abandoned databases").because(error);
    let row = sqlx::raw_sql("SELECT * FROM free_idle()")
        .fetch_one(&mut *server.lease.lock().await)
        .await
        .map_err(failed)?;
    if row.try_get::<i64, _>("dirty").map_err(failed)? > 0 {
        let server = Arc::clone(server);
        background::start_task(async move {
            // Whoever comes next tries again.
            let _ = drop_abandoned(&server).await;
        });
    }
    Ok(row.try_get::<i64, _>("freed").map_err(failed)? > 0)
}

/// Makes a clone for this test.
async fn make_clone(server: &Arc<Server>, template: &str, request: &Request) -> Result<String> {
    let failed = |error: sqlx::Error| {
        Error::new(format!("create a database from the template {template}")).because(error)
    };
    let most = server.most_claims();
    let begun = Instant::now();
    let (mut looked, mut told) = (begun, false);
    let name = loop {
        let name: Option<String> = sqlx::query_scalar("SELECT claim_new($1, $2, $3, $4, $5)")
            .bind(template)
            .bind(server.facts.number)
            .bind(&request.test)
            .bind(request.name.as_deref())
            .bind(most)
            .fetch_one(&mut *server.lease.lock().await)
            .await
            .map_err(failed)?;
        if let Some(name) = name {
            break name;
        }
        if looked.elapsed() > SILENCE {
            looked = Instant::now();
            if !told {
                told = true;
                report::progress(&format!(
                    "waiting for one of {} places on the {}",
                    most.unwrap_or_default(),
                    server.endpoint.place
                ));
            }
            drop_abandoned(server).await.map_err(failed)?;
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new("claim a database")
                .because(format!(
                    "all {} places that its max_connections allows are taken",
                    most.unwrap_or_default()
                ))
                .with_help("raise max_connections, or run fewer tests at the same time"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut connection = server.work.acquire().await.map_err(failed)?;
    if let Err(error) = create(server, &mut connection, &name, template).await {
        // The claim without a database would only be in the way.
        let _ = forget(&mut connection, &name).await;
        return Err(explained(failed, error));
    }
    Ok(name)
}

/// Makes clones ahead, in the background, until enough are ready.
pub(super) fn top_up(server: &Arc<Server>, template: String) {
    let server = Arc::clone(server);
    background::start_task(async move {
        let Ok(_alone) = server.topping_up.try_lock() else {
            return;
        };
        let Ok(mut connection) = server.work.acquire().await else {
            return;
        };
        // Clones ahead save time; without them tests make their own.
        while let Ok(Some(name)) = next_clone(&mut connection, &template).await {
            if create(&server, &mut connection, &name, &template)
                .await
                .is_err()
            {
                break;
            }
        }
    });
}

/// The name of the next clone to make ahead, if one is needed.
async fn next_clone(
    connection: &mut PgConnection,
    template: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT $1 || '_' || nextval('clone_number') WHERE (SELECT count(*) FROM ready($1)) < $2",
    )
    .bind(template)
    .bind(READY)
    .fetch_optional(connection)
    .await
}

/// How a database is best created. Copying files is faster than writing them through the log for a
/// server that does not wait for its disk, and much slower for one that does.
pub(super) fn strategy(server: &Server) -> &'static str {
    match (server.facts.version_number >= 150_000, server.facts.durable) {
        (false, _) => "",
        (true, true) => " STRATEGY WAL_LOG",
        (true, false) => " STRATEGY FILE_COPY",
    }
}

/// Creates a clone.
async fn create(
    server: &Server,
    connection: &mut PgConnection,
    name: &str,
    template: &str,
) -> Result<(), sqlx::Error> {
    let statement = format!(
        "CREATE DATABASE {} TEMPLATE {}{}",
        quoted(name),
        quoted(template),
        strategy(server)
    );
    let mut last = connection.execute(AssertSqlSafe(statement.clone())).await;
    for _ in 0..20 {
        // 55006: somebody is in the template, such as a worker of an extension, for a moment.
        match &last {
            Err(error) if code(error).as_deref() == Some("55006") => {}
            _ => break,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = connection.execute(AssertSqlSafe(statement.clone())).await;
    }
    last.map(|_| ())
}

/// Keeps a session in a database that the process has idle; the one that was kept for longest may
/// have to make way, and its database is anybody's then.
pub(super) fn keep(server: &Arc<Server>, database: String, session: Session) {
    let Some((database, session)) = server.kept.put(database, session) else {
        return;
    };
    let server = Arc::clone(server);
    background::start_task(async move {
        // What is not given back now is when this process has ended.
        let _ = session.connection.close().await;
        let free = format!(
            "DELETE FROM claim WHERE idle AND database = {}",
            literal(&database)
        );
        let _ = server.lease.lock().await.execute(AssertSqlSafe(free)).await;
    });
}

/// Drops a test's database; on a server that outlives us, what others have left goes as well.
pub(super) async fn drop_database(server: &Arc<Server>, name: &str) -> Result<(), sqlx::Error> {
    let dropped = drop_claimed(server, name).await;
    if server.endpoint.outlives_us() {
        // This process may end next, and with it the sweep.
        let _ = tokio::time::timeout(PATIENCE_WITH_OTHERS, sweep(Arc::clone(server))).await;
    }
    dropped
}

/// Drops a database that is claimed.
async fn drop_claimed(server: &Server, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = server.work.acquire().await?;
    drop_whatever_is_in_it(server, &mut connection, name).await?;
    forget(&mut connection, name).await
}

/// Drops a database of ours, if it is there.
pub(super) async fn drop_whatever_is_in_it(
    server: &Server,
    connection: &mut PgConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    let drop = format!("DROP DATABASE IF EXISTS {}", quoted(name));
    // A session in the middle of a statement does not see that its client is gone. Only a
    // superuser can end autovacuum by force; without force it makes way by itself.
    let force = format!("{drop} WITH (FORCE)");
    if connection
        .execute(AssertSqlSafe(force.clone()))
        .await
        .is_err()
        && connection.execute(AssertSqlSafe(drop)).await.is_err()
    {
        obstacles::remove(server, connection, name).await?;
        connection.execute(AssertSqlSafe(force)).await?;
    }
    Ok(())
}

async fn forget(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT dropped($1)")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

/// Drops what processes that are gone have left, once.
pub(super) async fn sweep(server: Arc<Server>) {
    let sweep = async || {
        // Whoever comes next tries again.
        let _ = drop_abandoned(&server).await;
        if server.endpoint.outlives_us() {
            let _ = template::drop_stale(&server).await;
        }
    };
    server.swept.get_or_init(sweep).await;
}

async fn drop_abandoned(server: &Server) -> Result<(), sqlx::Error> {
    let next = || {
        sqlx::query_scalar::<_, Option<String>>("SELECT take_over($1)")
            .bind(server.facts.number)
            .fetch_one(&server.work)
    };
    while let Some(name) = next().await? {
        stop_creating(server, &name).await?;
        // One that cannot be dropped is tried again by others: it must not keep us from the rest.
        let _ = drop_claimed(server, &name).await;
    }
    Ok(())
}

/// Ends a session that still creates the database: it does not see that its client is gone.
async fn stop_creating(server: &Server, name: &str) -> Result<(), sqlx::Error> {
    let sessions = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE state = 'active' AND pid <> pg_backend_pid() AND starts_with(query, {})",
        literal(&format!("CREATE DATABASE {} ", quoted(name)))
    );
    for _ in 0..200 {
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(sessions.clone()))
            .fetch_one(&server.work)
            .await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
