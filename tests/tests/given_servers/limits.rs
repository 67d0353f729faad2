//! Servers that have few connections or few logical databases.

use std::thread::sleep;
use std::time::Duration;

use container_test_tests::run::{Runner, Running};
use container_test_tests::servers::{Postgres, REGISTRY, Redis};

use crate::{DATABASES, left, passed, project, run};

#[test]
fn tests_wait_for_keyspaces_and_say_so() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for database in 3..16 {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    let before = redis.keys();
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let run = run
        .env(DATABASES, "1-2")
        .args(&["--test", "crowd", "--", "--test-threads=8", "redis_"])
        .finish();
    passed(&run, 8);
    let waiting = format!(
        "container-test: waiting for a free keyspace on the server {}",
        redis.url()
    );
    assert!(run.output.contains(&waiting), "{}", run.output);
    assert_eq!(redis.keys(), before);
    assert_eq!(redis.clients(), [""; 0]);
}

/// Settings under which two tests fit.
const NARROW: [&str; 2] = ["max_connections=22", "superuser_reserved_connections=3"];

#[test]
fn several_processes_with_many_threads_fit_few_connections() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    let crowd = |runner, threads| {
        let run = run(&project, runner, &postgres.url(), &redis.url());
        let run = run.args(&["--test", "crowd", threads]);
        match runner {
            Runner::CargoTest => run.args(&["postgres_", "both_"]),
            Runner::Nextest => run.args(&["-E", "test(postgres_) + test(both_)"]),
        }
        .start()
    };
    let runs = [
        (Runner::CargoTest, "--"),
        (Runner::CargoTest, "--"),
        (Runner::CargoTest, "--"),
        (Runner::Nextest, "--test-threads=8"),
    ];
    let runs = runs.map(|(runner, threads)| crowd(runner, threads));
    for run in runs.map(Running::finish) {
        passed(&run, 16);
        assert!(!run.output.contains("53300"), "{}", run.output);
    }
    let log = postgres.log();
    let refused =
        log.matches("too many clients").count() + log.matches("slots are reserved").count();
    println!("{refused} connections were refused, and tried again");
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn a_test_waits_for_a_connection_beside_its_pool() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let connects = ["--test", "crowd", "--", "connects_when_others_leave"];
    passed(&run.args(&connects).finish(), 1);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn the_capacity_of_killed_processes_goes_to_those_that_wait() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    let on_servers = |test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.args(&["--test", "crowd", "--", test]).start()
    };
    let holder = on_servers("holds_on");
    let claims = "SELECT 1 FROM claim HAVING count(*) = 2";
    postgres.wait_for_in(REGISTRY, claims);
    let waiting = on_servers("postgres_");
    // Longer than one look for places of processes that are gone.
    sleep(Duration::from_secs(7));
    holder.kill();
    let _ = holder.finish();
    let waiting = waiting.finish();
    passed(&waiting, 8);
    assert!(
        waiting.output.contains(
            "container-test: waiting for one of the 2 databases that fit the server postgres://tester@127.0.0.1:"
        ),
        "{}",
        waiting.output
    );
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn tests_that_need_two_scarce_things_do_not_wait_for_each_other() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    // As many as there is room for databases.
    let run = run
        .env(DATABASES, "1-2")
        .args(&["--test", "crowd", "--", "--test-threads=8", "both_"])
        .finish();
    passed(&run, 8);
    assert_eq!(postgres.left(), [""; 0]);
}
