//! Redis servers that others use as well: tests get only databases that the user has named, or that
//! no client is in on a server without data.

use container_test_tests::run::{Finished, Runner};
use container_test_tests::servers::{Postgres, Redis};

use crate::{AT_ONCE, DATABASES, passed, project, run, says, seconds};

#[test]
fn keys_of_others_stay_as_they_are() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for database in [0, 1, 2, 3, 7, 15] {
        redis.ask(database, &["SET", "theirs", "\u{1}binary\u{7f}\r\n"]);
        redis.ask(database, &["SET", "theirs:expiring", "1", "PX", "600000"]);
        redis.ask(database, &["HSET", "theirs:hash", "a", "1", "b", "2"]);
        redis.ask(database, &["RPUSH", "theirs:list", "x", "y"]);
        redis.ask(database, &["ZADD", "theirs:sorted", "1.5", "x"]);
    }
    let before = redis.keys();
    assert_eq!(before.len(), 6 * 5);
    let on_servers = |runner, test| {
        let run = run(&project, runner, &postgres.url(), &redis.url());
        run.env(DATABASES, "4-6,8-14")
            .args(&["--test", "ends", "--", "--exact", test])
    };
    for (runner, test) in [
        (Runner::CargoTest, "passes"),
        (Runner::Nextest, "passes"),
        (Runner::CargoTest, "panics"),
    ] {
        let run = on_servers(runner, test).finish();
        assert_eq!(run.status.success(), test == "passes", "{}", run.output);
        assert_eq!(redis.keys(), before, "{}", run.output);
    }
    let mut killed = on_servers(Runner::CargoTest, "hangs").start();
    killed.wait_for_mark().unwrap();
    // In the first database that is named.
    assert_eq!(redis.ask(4, &["GET", "session:1"]), "\"grace\"");
    killed.kill();
    let _ = killed.finish();
    passed(&on_servers(Runner::CargoTest, "passes").finish(), 1);
    assert_eq!(redis.keys(), before);
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn named_databases_are_emptied_and_no_others_are_used() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for database in [0, 4, 5, 6] {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    let on_servers = |databases, test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.env(DATABASES, databases)
            .args(&["--test", "ends", "--", "--exact", test])
    };
    let mut hangs = on_servers("5", "hangs").start();
    hangs.wait_for_mark().unwrap();
    let keys: Vec<String> = redis.keys().into_keys().collect();
    assert_eq!(
        keys,
        [
            "0 container-test:claims",
            "0 theirs",
            "4 theirs",
            "5 session:1",
            "6 theirs"
        ]
    );
    hangs.kill();
    let _ = hangs.finish();
    passed(&on_servers("5", "passes").finish(), 1);
    let keys: Vec<String> = redis.keys().into_keys().collect();
    assert_eq!(keys, ["0 theirs", "4 theirs", "6 theirs"]);

    // The list of claims is in the database of the URL, and the server has 16 databases.
    for databases in ["0", "16-20"] {
        says(
            &on_servers(databases, "uses_redis").finish(),
            "uses_redis",
            &[
                "failed to claim a Redis keyspace",
                "the server has databases 0 to 15, number 0 holds the list of claims",
                "help: name databases that the server has",
            ],
        );
    }
    says(
        &on_servers("five", "uses_redis").finish(),
        "uses_redis",
        &[
            "failed to read CONTAINER_TEST_REDIS_DATABASES",
            "`five` names no logical databases",
            "help: write numbers and ranges",
        ],
    );
    let keys: Vec<String> = redis.keys().into_keys().collect();
    assert_eq!(keys, ["0 theirs", "4 theirs", "6 theirs"]);
    assert_eq!(redis.clients(), [""; 0]);
}

/// What is said of a server with data if no databases are named.
fn refused(run: &Finished<'_>) {
    assert!(seconds(run) < AT_ONCE, "{}", run.output);
    says(
        run,
        "passes",
        &[
            "failed to claim a Redis keyspace",
            "because: the server holds data, and no logical databases are named for tests",
            "note: on the server redis://127.0.0.1:",
            "help: name databases that tests may empty, such as CONTAINER_TEST_REDIS_DATABASES=8-15",
        ],
    );
}

#[test]
fn a_server_with_data_is_refused_at_once_unless_databases_are_named() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for database in [0, 9] {
        redis.ask(database, &["SET", "theirs", "1"]);
        let before = redis.keys();
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        refused(
            &run.args(&["--test", "ends", "--", "--exact", "passes"])
                .finish(),
        );
        assert_eq!(redis.keys(), before);
        redis.ask(database, &["DEL", "theirs"]);
    }
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn a_database_that_another_client_is_in_is_neither_used_nor_emptied() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let on_servers = |test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.args(&["--test", "ends", "--", "--exact", test])
    };
    let others = [1, 3].map(|database| redis.connect(database));
    let mut hangs = on_servers("hangs").start();
    hangs.wait_for_mark().unwrap();
    assert_eq!(redis.ask(2, &["GET", "session:1"]), "\"grace\"");
    for database in [1, 3] {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    hangs.kill();
    let _ = hangs.finish();
    // What the killed process has left goes, and the server holds data now.
    refused(&on_servers("passes").finish());
    let keys: Vec<String> = redis.keys().into_keys().collect();
    assert_eq!(keys, ["1 theirs", "3 theirs"]);
    drop(others);
    assert_eq!(redis.clients(), [""; 0]);
    assert_eq!(postgres.left(), [""; 0]);
}
