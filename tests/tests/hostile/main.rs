//! The live suite on servers given by URL that make it hard: with short time-outs, a busy
//! autovacuum, a stranger's sessions in the databases of tests, and a stranger's keys beside theirs.
#![cfg(target_os = "linux")] // As the suites that start servers of others.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod keys;
mod sessions;
mod suite;

use std::process::Command;
use std::time::{Duration, Instant};

use container_test_tests::binaries::compile;
use container_test_tests::servers::{Postgres, ROLE, Redis};

use keys::ForeignKeys;
use sessions::ForeignSessions;
use suite::Suite;

/// After how long the suites are ended: they hang. On a slow disk they take a minute.
const LONGEST: Duration = Duration::from_secs(300);

/// Settings of the role of tests, of which our own sessions must be free, and what migrations of
/// the suites do beyond making databases.
fn short_timeouts() -> String {
    format!(
        "ALTER ROLE {ROLE} CREATEROLE; GRANT SET ON PARAMETER app.greeting TO {ROLE}; \
         ALTER ROLE {ROLE} SET idle_session_timeout = '1s'; \
         ALTER ROLE {ROLE} SET statement_timeout = '1s'; \
         ALTER ROLE {ROLE} SET lock_timeout = '1s'; \
         ALTER ROLE {ROLE} SET standard_conforming_strings = off; \
         ALTER ROLE {ROLE} SET datestyle = 'German'"
    )
}

/// A server whose autovacuum enters the databases of tests as often as it can.
const AUTOVACUUM: [&str; 4] = [
    "max_connections=200",
    "autovacuum_naptime=1s",
    "autovacuum_vacuum_threshold=0",
    "autovacuum_analyze_threshold=0",
];

/// Tests of servers that are started: one given by URL is no test's own.
const OF_OTHER_SERVERS: [&str; 3] = [
    "migrations_of_a_server_of_its_own_run_in_the_database_they_name",
    "a_redis_server_of_its_own_has_database_0",
    "of_server::",
];

#[test]
fn the_live_suite_passes_on_hostile_servers_and_leaves_nothing() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(cargo);
    test.args(["test", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let [live, faithful] = compile(&mut test, ["live", "faithful"]);
    let postgres = Postgres::start(&AUTOVACUUM).prepared_by(&short_timeouts());
    let redis = Redis::start(&["--timeout", "1"]);
    let (sessions, keys) = (
        ForeignSessions::open(&postgres),
        ForeignKeys::write(&redis, 0..8),
    );
    let since = Instant::now();
    // Processes meet on the templates and in the keyspaces, of which there are few.
    let suites = [
        Suite::start("live", &live, &[], &postgres, &redis),
        Suite::start("live, again", &live, &[], &postgres, &redis),
        Suite::start("faithful", &faithful, &OF_OTHER_SERVERS, &postgres, &redis),
    ];
    let failures: Vec<String> = suites
        .into_iter()
        .filter_map(|suite| {
            suite
                .passes_within(LONGEST.saturating_sub(since.elapsed()))
                .err()
        })
        .collect();
    let (visits, keys) = (sessions.end(), keys.end());
    let templates = postgres.templates();
    let entered = templates.iter().filter(|name| visits.contains_key(*name));
    let entered = entered.count();
    println!(
        "{} foreign sessions in {} databases and {entered} of {} templates, {} foreign keys, {:.1?}",
        visits.values().sum::<usize>(),
        visits.len(),
        templates.len(),
        keys.written(),
        since.elapsed()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(keys.changed(&redis), [""; 0]);
    assert_eq!(redis.clients(), [""; 0]);
    // Migrations have made them, and the next process finds them.
    let made = ["guarded", "keeper", "owner", "reader"].map(|role| format!("role faithful_{role}"));
    assert_eq!(postgres.left(), made);
    assert!(entered > 0, "no template was entered while it was filled");
}
