//! Tests and their data survive what happens to their process and to its sessions.

use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::run::Runner;
use container_test_tests::servers::{PASSWORD, Postgres, Proxy, REGISTRY, ROLE, Redis};

use crate::{AT_ONCE, DATABASES, left, passed, project, run, seconds};

/// How long a process is stopped: longer than any time-out of these servers, and than the looks
/// that processes take at each other.
const PAUSE: Duration = Duration::from_secs(15);

#[test]
fn a_process_that_is_stopped_for_a_while_still_has_its_data_when_others_come() {
    let project = project();
    let postgres = Postgres::start(&["idle_session_timeout=1s"]);
    let redis = Redis::start(&["--timeout", "1"]);
    let on_servers = |test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.args(&["--test", "ends", "--", "--exact", test]).start()
    };
    let mut stopped = on_servers("has_its_data_until_the_mark_is_removed");
    stopped.wait_for_mark().unwrap();
    stopped.pause();
    let since = Instant::now();
    passed(&on_servers("passes").finish(), 1);
    // What an idle time-out does to a session that does not switch it off.
    postgres.psql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{REGISTRY}'"
    ));
    while since.elapsed() < PAUSE {
        passed(&on_servers("passes").finish(), 1);
        sleep(Duration::from_secs(2));
    }
    let claims = postgres.rows_in(REGISTRY, "SELECT test FROM claim");
    assert_eq!(claims.len(), 1, "{claims:?}");
    assert_eq!(redis.ask(1, &["GET", "session:1"]), "\"grace\"");
    stopped.resume();
    stopped.remove_mark();
    passed(&stopped.finish(), 1);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn a_lease_whose_session_has_not_answered_in_time_is_taken_again() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let passes = || {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        let run = run.args(&["--test", "ends", "--", "--exact", "passes"]);
        passed(&run.finish(), 1);
    };
    passes();
    std::thread::scope(|scope| {
        // Longer than an answer is waited for.
        const LOCK: &str = "BEGIN; LOCK TABLE claim; SELECT pg_sleep(20); COMMIT";
        scope.spawn(|| postgres.rows_in(REGISTRY, LOCK));
        sleep(Duration::from_secs(1));
        passes();
    });
    // What was asked for without an answer may have been done: the next process cleans it up.
    passes();
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn a_keyspace_that_was_given_back_stays_free_when_the_server_ends_idle_sessions() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&["--timeout", "1"]));
    let on_servers = |arguments: &[&str]| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.env(DATABASES, "1")
            .args(&["--test", "ends", "--"])
            .args(arguments)
    };
    let idles = on_servers(&["--test-threads=1", "idles_"]).start();
    // Whenever the other process is between two tests, its one keyspace is free for this.
    sleep(Duration::from_secs(4));
    let other = on_servers(&["--exact", "uses_redis"]).finish();
    passed(&other, 1);
    assert!(seconds(&other) < AT_ONCE, "{}", other.output);
    passed(&idles.finish(), 3);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn a_test_that_ends_all_other_sessions_has_its_data_and_leaves_nothing() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for runner in [Runner::CargoTest, Runner::Nextest] {
        let run = run(&project, runner, &postgres.url(), &redis.url());
        let run = run.args(&["--test", "ends", "--", "--exact", "ends_all_other_sessions"]);
        let run = run.finish();
        passed(&run, 1);
        assert_eq!(left(&postgres, &redis), [""; 0], "{}", run.output);
    }
}

#[test]
fn servers_that_are_started_again_give_nothing_of_a_test_to_others() {
    let project = project();
    let (mut postgres, mut redis) = (Postgres::start(&[]), Redis::start(&[]));
    let url = (postgres.url(), redis.url());
    let on_servers = |databases| {
        let run = run(&project, Runner::CargoTest, &url.0, &url.1);
        match databases {
            Some(databases) => run.env(DATABASES, databases),
            None => run,
        }
        .args(&["--test", "ends", "--", "--test-threads=1"])
    };
    for databases in [None, Some("5-7")] {
        let outlive = || {
            let mut outlives = on_servers(databases).args(&["outlives_"]).start();
            outlives.wait_for_mark().unwrap();
            outlives
        };
        let (first, second) = (outlive(), outlive());
        postgres.restart();
        redis.restart();
        for test in ["passes", "uses_redis"] {
            passed(&on_servers(databases).args(&["--exact", test]).finish(), 1);
        }
        // Its next test claims while the other process still has what it had before.
        first.remove_mark();
        passed(&first.finish(), 2);
        second.remove_mark();
        passed(&second.finish(), 2);
        assert_eq!(left(&postgres, &redis), [""; 0]);
    }
}

/// A network that drops what is sent is met at the end of a test, which gives everything back.
#[test]
fn a_network_that_swallows_everything_does_not_stop_a_run_for_ever() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let (to_postgres, to_redis) = (Proxy::start(postgres.port()), Proxy::start(redis.port()));
    let url = format!(
        "postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/theirs",
        to_postgres.port()
    );
    let redis_url = format!("redis://127.0.0.1:{}", to_redis.port());
    let silenced = run(&project, Runner::CargoTest, &url, &redis_url);
    let test = [
        "--test",
        "ends",
        "--",
        "--exact",
        "waits_until_the_mark_is_removed",
    ];
    let mut silenced = silenced.args(&test).start();
    silenced.wait_for_mark().unwrap();
    to_postgres.fall_silent();
    to_redis.fall_silent();
    silenced.remove_mark();
    let silenced = silenced.finish();
    passed(&silenced, 1);
    assert!(seconds(&silenced) < 90.0, "{}", silenced.output);
    // The next one on the same servers cleans up.
    let url = (postgres.url(), redis.url());
    let next = run(&project, Runner::CargoTest, &url.0, &url.1);
    passed(
        &next
            .args(&["--test", "ends", "--", "--exact", "passes"])
            .finish(),
        1,
    );
}
