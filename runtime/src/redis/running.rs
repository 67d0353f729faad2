//! What tests have of a server now, for people who want to look at it.

use std::collections::HashMap;

use redis::Client;

use super::address::{info, url};
use super::lease::parts;
use super::options::{ADMINISTRATOR, TEST_USER, failed};
use super::scripts::{CLAIMS, RETAINED, TESTS};
use crate::Result;
use crate::lifecycle::holder;
use crate::provider::RunningTest;
use crate::service::Endpoint;

/// Returns the keyspaces that tests have on a server that was started for tests.
pub(crate) async fn running_tests(endpoint: &Endpoint) -> Result<Vec<RunningTest>> {
    let failed = || failed("list the keyspaces of tests");
    let client = Client::open(info(endpoint, ADMINISTRATOR, 0)?).map_err(failed())?;
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.map_err(failed())?;
    let mut both = redis::pipe();
    both.hgetall(TESTS).hgetall(CLAIMS);
    let both = both.query_async(&mut connection).await;
    let (tests, claims): (HashMap<i64, String>, HashMap<i64, String>) = both.map_err(failed())?;
    let mut running: Vec<_> = tests
        .into_iter()
        .filter_map(|(number, test)| {
            let holder = claims.get(&number)?;
            let retained = holder == RETAINED;
            let lives = retained || holder::is_alive(parts(holder).1) != Some(false);
            lives.then_some((number, test, retained))
        })
        .collect();
    running.sort_unstable();
    let running = running
        .into_iter()
        .map(|(number, test, retained)| RunningTest {
            test,
            slot: format!("logical database {number}"),
            url: url(endpoint, TEST_USER, number),
            retained,
        });
    Ok(running.collect())
}
