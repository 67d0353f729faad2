//! The end of a test's use of its database: its connections are collected, and the database goes
//! to the next test, or is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row};

use super::profile::Profile;
use super::recycle::{AsNew, recycle};
use super::session::{Mark, Session};
use super::{Claim, Finished, Server, databases};
use crate::sql::literal;
use crate::{Error, background};

/// How long all of it may take: a database that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long connections that the test has used may take to come back.
const PATIENCE_WITH_TEST: Duration = Duration::from_millis(100);

/// Ends the test's use of its database, and recycles it if that can be done with proof.
pub(super) async fn finish(claim: &Claim, pool: Option<&PgPool>) -> Finished {
    if !claim.recycle {
        return Finished::Used;
    }
    let last = tokio::time::timeout(PATIENCE, last_connection(claim, pool));
    let Ok(Ok(Some((connection, is_session)))) = last.await else {
        return Finished::Used;
    };
    if is_session {
        return Finished::Idle(connection);
    }
    // Its socket belongs to the test's runtime: it has to be done now.
    if recycle_idle(claim, connection).await {
        Finished::AsNew
    } else {
        Finished::Used
    }
}

/// Recycles a database that only this session is in; whatever the reason that it cannot be done,
/// dropping it is right.
pub(super) async fn recycle_idle(claim: &Claim, connection: PgConnection) -> bool {
    let recycled = tokio::time::timeout(PATIENCE, try_recycle(claim, connection));
    matches!(recycled.await, Ok(Ok(true)))
}

async fn try_recycle(claim: &Claim, mut connection: PgConnection) -> Result<bool, sqlx::Error> {
    let Some(profile) = profile(&claim.server, &claim.template).await else {
        return Ok(false);
    };
    // Statements that it has prepared are closed with the others.
    connection.clear_cached_statements().await?;
    let recycled = recycle(&mut connection, &profile, claim).await;
    let Ok(Some(AsNew {
        stats_reset,
        session,
    })) = recycled
    else {
        // Its backend ends by itself; nobody needs to wait for that.
        connection.close_hard().await?;
        return recycled.map(|_| false);
    };
    if let Some(mark) = session {
        let session = Session { connection, mark };
        return Ok(give_back(claim, stats_reset, Some(session)).await);
    }
    let given = give_back(claim, stats_reset, None).await;
    connection.close_hard().await?;
    Ok(given)
}

/// The template's profile, read once per process.
async fn profile(server: &Arc<Server>, template: &str) -> Option<Arc<Profile>> {
    let cell = server.profiles.cell(&template.to_owned());
    if let Some(known) = cell.get() {
        return known.clone();
    }
    let (server, template) = (Arc::clone(server), template.to_owned());
    let read = background::run(async move {
        let failed = |error: sqlx::Error| Error::new("read the template's profile").because(error);
        let read = format!(
            "SELECT profile FROM template WHERE name = {}",
            literal(&template)
        );
        let row = sqlx::raw_sql(AssertSqlSafe(read))
            .fetch_one(&mut *server.lease.lock().await)
            .await
            .map_err(failed)?;
        let text: Option<String> = row.try_get(0).map_err(failed)?;
        Ok(text
            .and_then(|text| Profile::from_text(&text))
            .map(Arc::new))
    });
    cell.get_or_init(async || read.await.ok().flatten())
        .await
        .clone()
}

/// A connection to the database, all others of the test's pool being closed: the session that may
/// be kept, or another one that the test has used, which is warm, and need not be made. Tells
/// whether it is the session.
async fn last_connection(
    claim: &Claim,
    pool: Option<&PgPool>,
) -> Result<Option<(PgConnection, bool)>, sqlx::Error> {
    if let Some(session) = claim.take_session() {
        return Ok(Some((session.connection, true)));
    }
    let Some(pool) = pool.filter(|pool| pool.size() > 0 && !pool.is_closed()) else {
        let connection = claim.options().connect().await?;
        return Ok(Some((connection, false)));
    };
    // Connections that the test has just let go of come back once the server has answered.
    let all_back = async {
        for round in 0.. {
            if pool.num_idle() >= pool.size() as usize {
                break;
            }
            if round < 100 {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let mut connection = pool.acquire().await?.detach();
        // If the pool has made but one, this is the session.
        let mut is_session =
            claim.made.load(Ordering::Relaxed) == 1 || is(claim.mark, &mut connection).await?;
        while let Some(other) = pool.try_acquire() {
            let mut other = other.detach();
            if !is_session && is(claim.mark, &mut other).await? {
                is_session = true;
                std::mem::swap(&mut connection, &mut other);
            }
            other.close().await?;
        }
        pool.close().await;
        Ok((connection, is_session))
    };
    // Connections that the test still holds may yet write.
    tokio::time::timeout(PATIENCE_WITH_TEST, all_back)
        .await
        .ok()
        .transpose()
}

async fn is(mark: Option<Mark>, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let Some(mark) = mark else {
        return Ok(false);
    };
    let row = sqlx::raw_sql("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await?;
    let pid: i32 = row.try_get(0)?;
    Ok(mark.pid == pid)
}

/// Gives the database back, with the session to the next test of this process, unless something
/// was changed that lies outside of it.
async fn give_back(claim: &Claim, stats_reset: Option<String>, session: Option<Session>) -> bool {
    let reset = stats_reset.map_or_else(|| "NULL".to_owned(), |reset| literal(&reset));
    let (server, database) = (Arc::clone(&claim.server), claim.database.clone());
    let given = background::run(async move {
        let failed = |error: sqlx::Error| Error::new("give the database back").because(error);
        let give = format!(
            "SELECT give_back({}, {reset}, {})",
            literal(&database),
            session.is_some()
        );
        let row = sqlx::raw_sql(AssertSqlSafe(give))
            .fetch_one(&mut *server.lease.lock().await)
            .await
            .map_err(failed)?;
        let given = row.try_get(0).map_err(failed)?;
        if let Some(session) = session.filter(|_| given) {
            databases::keep(&server, database, session);
        }
        Ok(given)
    });
    given.await.unwrap_or(false)
}
