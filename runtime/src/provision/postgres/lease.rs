//! A process's lease: its session on the registry, which the first process to come creates.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::databases;
use super::server::{Facts, code, explained, places};
use crate::provider::{Address, BoxError, CONNECTION_TIMEOUT, Endpoint};
use crate::sql::quoted;
use crate::{Error, registry, report};

/// The oldest version that is supported, as `server_version_num` has it.
const OLDEST: i32 = 130_000;

/// Connects to the registry and takes a lease; on a server that others use as well, once it is
/// among as many processes as may have one.
pub(super) async fn open_lease(endpoint: Endpoint) -> Result<(PgConnection, Facts), BoxError> {
    let (begun, mut told) = (Instant::now(), false);
    // To connect is work, also for a server: whoever waits for long looks rarely.
    let mut pause = Duration::from_millis(50);
    loop {
        let (mut connection, facts) = open_registry(&endpoint).await?;
        if matches!(endpoint.address, Address::Ours { .. }) {
            return Ok((connection, facts));
        }
        let before: i64 =
            sqlx::query_scalar("SELECT count(*) FROM live_leases() l (number) WHERE number < $1")
                .bind(facts.number)
                .fetch_one(&mut connection)
                .await?;
        let places = places(facts.connections);
        if before < i64::from(places) {
            return Ok((connection, facts));
        }
        connection.close().await?;
        if !told && begun.elapsed() > databases::SILENCE {
            told = true;
            report::progress(&format!(
                "waiting for one of {places} processes to leave the {}",
                endpoint.place
            ));
        }
        if begun.elapsed() > databases::PATIENCE {
            return Err(Error::new("take a place on the server")
                .because(format!(
                    "its max_connections allows {places} processes at the same time"
                ))
                .with_help("raise max_connections, or run fewer tests at the same time")
                .into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Connects to the registry, which the first one to come creates, and takes a lease.
async fn open_registry(endpoint: &Endpoint) -> Result<(PgConnection, Facts), BoxError> {
    let registry = endpoint.registry()?;
    let mut connection = match connect(&registry).await {
        Ok(connection) => connection,
        // There is no such database.
        Err(error) if code(&error).as_deref() == Some("3D000") => {
            let options = endpoint.postgres()?.application_name("container-test");
            let mut connection = connect(&options).await?;
            check_version(&mut connection).await?;
            let name = registry.get_database().unwrap_or(registry::NAME);
            create_registry(&mut connection, name).await?;
            connection.close().await?;
            connect(&registry).await?
        }
        Err(error) => return Err(error.into()),
    };
    let failed = |error| explained(|error| Error::new("use the registry").because(error), error);
    match take_lease(&mut connection).await {
        // There is no such sequence yet.
        Err(error) if code(&error).as_deref() == Some("42P01") => {
            let script = format!(
                "BEGIN; SELECT pg_advisory_xact_lock(0); {} COMMIT;",
                registry::SCRIPT
            );
            sqlx::raw_sql(AssertSqlSafe(script))
                .execute(&mut connection)
                .await
                .map_err(failed)?;
        }
        facts => return Ok((connection, facts.map_err(failed)?)),
    }
    let facts = take_lease(&mut connection).await.map_err(failed)?;
    Ok((connection, facts))
}

/// Connects, if an answer comes in time: what listens there may be no PostgreSQL.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    tokio::time::timeout(CONNECTION_TIMEOUT, PgConnection::connect_with(options))
        .await
        .unwrap_or_else(|_| {
            let silence = format!("nobody answered as PostgreSQL within {CONNECTION_TIMEOUT:?}");
            Err(std::io::Error::new(ErrorKind::TimedOut, silence).into())
        })
}

/// Refuses servers that are too old, before anything is made on them.
async fn check_version(connection: &mut PgConnection) -> Result<(), BoxError> {
    let number: String = sqlx::query_scalar("SHOW server_version_num")
        .fetch_one(connection)
        .await?;
    if number.parse::<i32>().is_ok_and(|number| number < OLDEST) {
        let major = number.parse::<i32>().unwrap_or_default() / 10_000;
        return Err(Error::new("use the server")
            .because(format!(
                "it is PostgreSQL {major}; 13 and newer are supported"
            ))
            .into());
    }
    Ok(())
}

async fn create_registry(connection: &mut PgConnection, name: &str) -> Result<(), BoxError> {
    let created = connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {}", quoted(name))))
        .await;
    let Err(error) = created else { return Ok(()) };
    match code(&error).as_deref() {
        // Somebody else was faster.
        Some("42P04" | "23505") => Ok(()),
        _ => Err(explained(
            |error| Error::new("create a database").because(error),
            error,
        )
        .into()),
    }
}

/// Takes a lease, and tells about the server. Not a function of the registry: to look one up and
/// compile it takes a new session longer than all that it would do.
const TAKE_LEASE: &str = "
    SELECT number, pg_advisory_lock(1, number)::text,
           current_setting('server_version') AS version,
           current_setting('server_version_num')::integer AS version_number,
           current_setting('is_superuser') = 'on' AS superuser,
           current_setting('fsync') = 'on' AS durable,
           current_setting('max_connections')::integer
               - current_setting('superuser_reserved_connections')::integer
               -- Since PostgreSQL 16; 0 by default.
               - coalesce(current_setting('reserved_connections', true)::integer, 0) AS connections
    FROM (SELECT nextval('lease_number')::integer AS number) lease";

async fn take_lease(connection: &mut PgConnection) -> Result<Facts, sqlx::Error> {
    let row = sqlx::raw_sql(TAKE_LEASE).fetch_one(connection).await?;
    Ok(Facts {
        number: row.try_get("number")?,
        version: row.try_get("version")?,
        version_number: row.try_get("version_number")?,
        superuser: row.try_get("superuser")?,
        durable: row.try_get("durable")?,
        connections: row.try_get("connections")?,
    })
}
