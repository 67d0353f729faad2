//! What a user's cache holds of containers: prepared data directories, and addresses.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::ends::DEADLINE;
use container_test_tests::engine::Engine;
use container_test_tests::run::{Finished, Runner, Running};

use crate::project;

/// How long an archive may take to be made.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "there is no {what}");
        sleep(Duration::from_millis(50));
    }
}

/// The files in a directory whose names end so.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(directory).unwrap();
    let paths = all.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)))
        .collect()
}

/// What the test told that tells which `initdb` its server comes from.
fn cluster(run: &Finished<'_>) -> String {
    assert!(run.status.success(), "{}", run.output);
    let told = run.output.split_once("the cluster ").unwrap().1;
    told.lines().next().unwrap().to_owned()
}

#[test]
fn data_directories_are_prepared_once_and_not_needed() {
    let (project, engine) = (project(), Engine::connect());
    let cache = tempfile::tempdir().unwrap();
    let start = || -> Running<'_> {
        let run = project.run(Runner::CargoTest, &engine);
        run.with_cache_in(cache.path())
            .env("CONTAINER_TEST_IDLE", "2")
            .args(&["--features", "integration", "--test", "ends", "tells_which"])
            .args(&["--", "--nocapture"])
            .start()
    };
    let archives = || files(cache.path(), ".tar");

    let mut stopped = start();
    assert_eq!(stopped.stop_preparation(), Ok(()));
    let stopped = stopped.finish();
    assert!(stopped.status.success(), "{}", stopped.output);
    assert!(archives().is_empty(), "whole or not at all");

    let prepares = start().finish();
    let archive = wait_for("archive", || archives().pop());
    // PostgreSQL tells the times of files in whole seconds.
    sleep(Duration::from_secs(1));

    let (one, another) = (start().finish(), start().finish());
    let prepared = cluster(&one);
    assert!(prepared.ends_with("true"), "{prepared}");
    assert_eq!(cluster(&another), prepared);
    assert_ne!(cluster(&prepares), prepared);
    let runs = [stopped, prepares, one, another];
    assert_eq!(runs.each_ref().map(Finished::preparations), [1, 1, 0, 0]);

    let bytes = fs::read(&archive).unwrap();
    fs::remove_file(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    let torn = start().finish();
    assert_ne!(cluster(&torn), prepared);

    assert_eq!(torn.gone_within(DEADLINE).err(), None);
    for run in runs {
        assert_eq!(run.left(), [""; 0]);
    }
}

#[test]
fn a_server_with_a_cached_address_that_is_gone_is_replaced() {
    let (project, engine) = (project(), Engine::connect());
    let cache = tempfile::tempdir().unwrap();
    let run = || {
        let run = project.run(Runner::CargoTest, &engine);
        run.with_cache_in(cache.path()).args(&[
            "--features",
            "integration",
            "--test",
            "ends",
            "passes",
        ])
    };
    let passed = |run: &Finished<'_>, servers: usize| {
        assert!(run.status.success(), "{}", run.output);
        let started = (run.servers("postgres"), run.servers("redis"));
        assert_eq!(started, (servers, servers), "{}", run.output);
    };
    let first = run().finish();
    passed(&first, 1);
    let again = run().as_the_user_of(&first).finish();
    passed(&again, 1);
    assert!(first.remove_containers() >= 2);
    let second = run().as_the_user_of(&first).finish();
    passed(&second, 2);

    // Another program has the ports now that tell whether the containers are there.
    let addresses = files(cache.path(), ".address");
    assert_eq!(addresses.len(), 2);
    assert!(first.remove_containers() >= 2);
    let _others: Vec<TcpListener> = addresses
        .iter()
        .map(|file| {
            let address = fs::read_to_string(file).unwrap();
            let published: u16 = address.split_whitespace().nth(3).unwrap().parse().unwrap();
            let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, published)).ok();
            wait_for("free port", bind)
        })
        .collect();
    let third = run().as_the_user_of(&first).finish();
    passed(&third, 3);
    assert_eq!(third.gone_within(DEADLINE).err(), None);
}
