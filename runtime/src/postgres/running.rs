//! What tests have of a server now, for people who want to look at it.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::address;
use super::failure::{code, failed};
use crate::Result;
use crate::provider::RunningTest;
use crate::service::Endpoint;

/// The database does not exist: no test has used the server yet.
const NO_DATABASE: &str = "3D000";

/// Claims of tests that run, and those that are retained. A process that has ended before its
/// database was dropped has no session.
const CLAIMS: &str = "
    SELECT coalesce(present_name(database), database) AS database, test, retained FROM claim
    WHERE retained OR (NOT parked AND NOT dropping AND lease IN (SELECT held_leases()))
    ORDER BY since";

/// Returns the databases that tests have on a server.
pub(crate) async fn running_tests(endpoint: &Endpoint) -> Result<Vec<RunningTest>> {
    let step = || failed("list the databases of tests");
    let options = address::registry(endpoint)?;
    let mut connection = match PgConnection::connect_with(&options).await {
        Ok(connection) => connection,
        Err(error) if code(&error).as_deref() == Some(NO_DATABASE) => return Ok(Vec::new()),
        Err(error) => return Err(step()(error)),
    };
    let rows = connection.fetch_all(AssertSqlSafe(CLAIMS)).await;
    let rows = rows.map_err(step())?;
    let tests = rows.iter().map(|row| {
        let slot: String = row.try_get("database").map_err(step())?;
        Ok(RunningTest {
            test: row.try_get("test").map_err(step())?,
            url: address::url(endpoint, options.get_username(), &slot),
            slot,
            retained: row.try_get("retained").map_err(step())?,
        })
    });
    let tests = tests.collect();
    // What is not closed properly is closed by the server.
    let _ = connection.close().await;
    tests
}
