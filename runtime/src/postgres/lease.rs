//! A process's lease: its session on the registry, which the first process to come creates.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures_util::future::join;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::address::{self, IS_OURS};
use super::failure::{code, failed, open_error};
use super::registry;
use super::sql::{literal, quoted};
use crate::lifecycle::holder;
use crate::service::{Address, CONNECTION_TIMEOUT, Endpoint, OpenError};
use crate::{Error, report};

/// The oldest version that is supported, as `server_version_num` has it.
const OLDEST: i32 = 130_000;

/// How long tests wait for a connection to a server whose connections are all in use.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// How long a process elsewhere may be without a session before it counts as dead: longer than it
/// takes to renew a lease.
const PATIENCE_WITH_HOLDERS: f64 = 30.0;

/// What the server says to a process that takes a lease.
#[derive(Clone, Debug)]
pub(super) struct ServerInfo {
    /// The number of the lease.
    pub(super) number: i32,
    pub(super) version: String,
    pub(super) version_number: i32,
    pub(super) superuser: bool,
    pub(super) durable: bool,
    pub(super) connections: i32,
    /// When it was started.
    pub(super) started: String,
}

/// Connections that a test's pool opens unless it says otherwise: as many as `#[sqlx::test]` does.
pub(super) const POOL_SIZE: u32 = 5;
/// Connections of a process besides its tests' pools.
const OVERHEAD: i32 = 3;

/// Returns how many processes, or tests with pools of this size, the connections of a server given by
/// URL are enough for.
pub(super) fn capacity(connections: i32, pool: u32) -> i32 {
    let per_test = i32::try_from(pool)
        .unwrap_or(i32::MAX)
        .saturating_add(OVERHEAD);
    ((connections - OVERHEAD) / per_test).max(1)
}

/// Connects to the registry and takes a lease; on a server that others use as well, once it is
/// among as many processes as may have one.
pub(super) async fn open(endpoint: &Endpoint) -> Result<(PgConnection, ServerInfo), OpenError> {
    let (begun, mut told) = (Instant::now(), false);
    // To connect is work for the server as well: a process that waits for long looks rarely.
    let mut pause = Duration::from_millis(50);
    loop {
        let (mut connection, info) = open_registry(endpoint).await?;
        if matches!(endpoint.address(), Address::Started { .. }) {
            return Ok((connection, info));
        }
        let capacity = capacity(info.connections, POOL_SIZE);
        end_dead_leases(&mut connection).await.map_err(open_error)?;
        let before: i64 =
            sqlx::query_scalar("SELECT count(*) FROM live_leases() l (number) WHERE number < $1")
                .bind(info.number)
                .fetch_one(&mut connection)
                .await
                .map_err(open_error)?;
        if before < i64::from(capacity) {
            return Ok((connection, info));
        }
        give_up(&mut connection, info.number)
            .await
            .map_err(open_error)?;
        connection.close().await.map_err(open_error)?;
        if !told && begun.elapsed() > report::SILENCE {
            told = true;
            report::progress(&format!(
                "waiting for one of {capacity} processes to leave the {}",
                endpoint.description()
            ));
        }
        if begun.elapsed() > PATIENCE {
            return Err(OpenError::fatal(
                Error::new("find a free connection to the server")
                    .because(format!(
                        "its max_connections allows {capacity} processes at the same time"
                    ))
                    .with_help("raise max_connections, or run fewer tests at the same time"),
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Connects to the registry, which the first process to come creates, and takes a lease.
async fn open_registry(endpoint: &Endpoint) -> Result<(PgConnection, ServerInfo), OpenError> {
    let registry = address::registry(endpoint).map_err(OpenError::fatal)?;
    // The message is written while the server answers.
    let (connected, take_lease) = join(connect(&registry), async { take_lease() }).await;
    let mut connection = match connected {
        Ok(connection) => connection,
        // There is no such database.
        Err(error) if code(&error).as_deref() == Some("3D000") => {
            let plain = address::plain(endpoint).map_err(OpenError::fatal)?;
            let options = address::administrative(plain);
            let mut connection = connect(&options).await.map_err(open_error)?;
            check(&mut connection).await?;
            let name = registry.get_database().unwrap_or(registry::NAME);
            create_registry(&mut connection, name).await?;
            connection.close().await.map_err(open_error)?;
            connect(&registry).await.map_err(open_error)?
        }
        Err(error) => return Err(open_error(error)),
    };
    let unusable = |error| OpenError::fatal(failed("use the registry")(error));
    match take(&mut connection, &take_lease).await {
        // There is no such sequence yet.
        Err(error) if code(&error).as_deref() == Some("42P01") => {
            let script = format!(
                "BEGIN; SELECT pg_advisory_xact_lock(0); {} COMMIT;",
                registry::SCRIPT
            );
            sqlx::raw_sql(AssertSqlSafe(script))
                .execute(&mut connection)
                .await
                .map_err(unusable)?;
        }
        Err(error) => return Err(unusable(error)),
        Ok(taken) => return Ok((connection, taken.ok_or_else(pooled)?)),
    }
    let taken = take(&mut connection, &take_lease).await.map_err(unusable)?;
    Ok((connection, taken.ok_or_else(pooled)?))
}

/// Refuses a session that is not our own: claims are tied to sessions.
fn pooled() -> OpenError {
    OpenError::fatal(
        Error::new("use the server")
            .because("settings of the session do not reach the server: a pooler stands between")
            .with_help("name the server itself in the URL, not the pooler"),
    )
}

/// Connects, if an answer comes in time: what listens there may be no PostgreSQL.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    tokio::time::timeout(CONNECTION_TIMEOUT, PgConnection::connect_with(options))
        .await
        .unwrap_or_else(|_| {
            let silence = format!("no answer as PostgreSQL gives it within {CONNECTION_TIMEOUT:?}");
            Err(std::io::Error::new(ErrorKind::TimedOut, silence).into())
        })
}

/// Refuses servers that are too old, and poolers, before anything is made on them.
async fn check(connection: &mut PgConnection) -> Result<(), OpenError> {
    let check = format!(
        "SELECT current_setting('server_version_num')::integer AS version, {IS_OURS} AS is_ours"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(check));
    let row = row.fetch_one(connection).await.map_err(open_error)?;
    if !row.try_get::<bool, _>("is_ours").map_err(open_error)? {
        return Err(pooled());
    }
    let number: i32 = row.try_get("version").map_err(open_error)?;
    if number < OLDEST {
        let major = number / 10_000;
        let cause = format!("it is PostgreSQL {major}; 13 and newer are supported");
        return Err(OpenError::fatal(
            Error::new("use the server").because(cause),
        ));
    }
    Ok(())
}

async fn create_registry(connection: &mut PgConnection, name: &str) -> Result<(), OpenError> {
    let created = connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {}", quoted(name))))
        .await;
    match created {
        Ok(_) => Ok(()),
        // Another process was faster.
        Err(error) if matches!(code(&error).as_deref(), Some("42P04" | "23505")) => Ok(()),
        Err(error) => Err(OpenError::fatal(failed("create a database")(error))),
    }
}

/// Takes a lease, unless the session is not our own, and asks about the server. It is no function of
/// the registry: to look one up and compile it takes a new session longer than everything that it
/// would do. Time-outs that not every version knows are switched off by name.
fn take_lease() -> String {
    format!(
        "WITH taken AS (
            INSERT INTO lease (number, holder) SELECT nextval('lease_number'), {} WHERE {IS_OURS}
            ON CONFLICT (number) DO UPDATE SET holder = excluded.holder, missing = NULL
            RETURNING number)
        SELECT number, pg_advisory_lock(1, number)::text,
               current_setting('server_version') AS version,
               current_setting('server_version_num')::integer AS version_number,
               current_setting('is_superuser') = 'on' AS superuser,
               current_setting('fsync') = 'on' AS durable,
               {STARTED} AS started,
               current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer
                   -- Since PostgreSQL 16; 0 by default.
                   - coalesce(current_setting('reserved_connections', true)::integer, 0) AS connections,
               {TIMEOUTS_OFF}
        FROM taken",
        literal(&holder::current())
    )
}

/// When the server was started.
const STARTED: &str = "pg_postmaster_start_time()::text";

/// Switches off time-outs that not every version knows.
const TIMEOUTS_OFF: &str = "
    CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL
        THEN set_config('idle_session_timeout', '0', false) END AS idle,
    CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
        THEN set_config('transaction_timeout', '0', false) END AS transaction";

/// Takes a lease; none if the session is not our own.
async fn take(
    connection: &mut PgConnection,
    take_lease: &str,
) -> Result<Option<ServerInfo>, sqlx::Error> {
    let taken = sqlx::raw_sql(AssertSqlSafe(take_lease.to_owned()));
    let Some(row) = taken.fetch_optional(connection).await? else {
        return Ok(None);
    };
    Ok(Some(ServerInfo {
        number: row.try_get("number")?,
        version: row.try_get("version")?,
        version_number: row.try_get("version_number")?,
        superuser: row.try_get("superuser")?,
        durable: row.try_get("durable")?,
        connections: row.try_get("connections")?,
        started: row.try_get("started")?,
    }))
}

/// Takes the lease of this number again, on a new session. `started` says when a server was started
/// that does not keep its data: one that was started later is another server, which has given the
/// number to another process.
pub(super) async fn take_again(
    options: &PgConnectOptions,
    number: i32,
    started: Option<&str>,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connect(options).await?;
    let now = sqlx::raw_sql(AssertSqlSafe(format!("SELECT {STARTED}")));
    let now: String = now.fetch_one(&mut connection).await?.try_get(0)?;
    if started.is_some_and(|started| started != now) {
        return Err(
            std::io::Error::other("the server has ended, and another one is in its place").into(),
        );
    }
    let take = format!(
        "INSERT INTO lease (number, holder) VALUES ({number}, {})
         ON CONFLICT (number) DO UPDATE SET missing = NULL;
         SELECT pg_advisory_lock(1, {number})::text",
        literal(&holder::current())
    );
    connection.execute(AssertSqlSafe(take)).await?;
    Ok(connection)
}

/// Ends a lease that has claimed nothing.
async fn give_up(connection: &mut PgConnection, number: i32) -> Result<(), sqlx::Error> {
    let give_up = format!("DELETE FROM lease WHERE number = {number}");
    connection.execute(AssertSqlSafe(give_up)).await.map(|_| ())
}

/// Ends the leases of processes that are proven to be dead.
pub(super) async fn end_dead_leases(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let missing = sqlx::raw_sql("SELECT * FROM missing_leases()")
        .fetch_all(&mut *connection)
        .await?;
    let mut dead = Vec::new();
    for row in missing {
        let (holder, seconds): (String, f64) = (row.try_get("holder")?, row.try_get("seconds")?);
        // Nothing is known of processes elsewhere but that they would have come back by now.
        if holder::is_alive(&holder).map_or(seconds > PATIENCE_WITH_HOLDERS, |alive| !alive) {
            dead.push(row.try_get::<i32, _>("number")?.to_string());
        }
    }
    if !dead.is_empty() {
        let end = format!("SELECT end_leases('{{{}}}')", dead.join(","));
        connection.execute(AssertSqlSafe(end)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_tests_with_larger_pools_fit_the_connections() {
        assert_eq!(capacity(97, POOL_SIZE), 11);
        assert_eq!(capacity(97, 20), 4);
        assert_eq!(capacity(97, 1), 23);
        assert_eq!(capacity(97, u32::MAX), 1);
    }
}
