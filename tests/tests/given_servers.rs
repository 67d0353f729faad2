//! Servers given by URL: nothing is left on them, nothing of others is touched, their limits are
//! kept, and wrong URLs are explained.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use container_test_tests::processes::signal;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner, Running};
use container_test_tests::servers::{PASSWORD, Postgres, ROLE, Redis, free_port};

const RUNNERS: [Runner; 2] = [Runner::CargoTest, Runner::Nextest];

fn project() -> Project {
    let project = Project::new("given", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&[]);
    project
}

/// A run on servers that are given by URL.
fn run<'a>(project: &'a Project, runner: Runner, postgres: &str, redis: &str) -> Run<'a> {
    project
        .run_without_engine(runner)
        .env("CONTAINER_TEST_PROVIDER", "external")
        .env("CONTAINER_TEST_POSTGRES_URL", postgres)
        .env("CONTAINER_TEST_REDIS_URL", redis)
}

fn passed(run: &Finished<'_>, number: usize) {
    let (libtest, nextest) = (
        format!("test result: ok. {number} passed"),
        format!("{number} passed"),
    );
    assert!(
        run.status.success() && (run.output.contains(&libtest) || run.output.contains(&nextest)),
        "{}",
        run.output
    );
}

/// A way for a run to end.
struct End {
    /// The only test that runs.
    test: &'static str,
    /// What happens to the run from outside.
    happens: fn(&mut Running<'_>, &Postgres) -> Result<(), String>,
    /// What the output must say, under either runner.
    says: &'static str,
    /// Whether the next run has to clean up.
    killed: bool,
}

const ENDS: [End; 7] = [
    End {
        test: "passes",
        happens: |_, _| Ok(()),
        says: "1 passed",
        killed: false,
    },
    End {
        test: "fails",
        happens: |_, _| Ok(()),
        says: "the body returned an error",
        killed: false,
    },
    End {
        test: "panics",
        happens: |_, _| Ok(()),
        says: "the body panicked",
        killed: false,
    },
    End {
        test: "times_out",
        happens: |_, _| Ok(()),
        says: "it took longer than its timeout of 1s",
        killed: false,
    },
    End {
        test: "leaves_with_keys_on_their_way",
        happens: |_, _| Ok(()),
        says: "1 passed",
        killed: false,
    },
    End {
        test: "hangs",
        happens: |run, _| {
            run.wait_for_mark()?;
            run.kill();
            Ok(())
        },
        says: "",
        killed: true,
    },
    End {
        test: "hangs_in_a_migration",
        happens: |run, postgres| {
            postgres.wait_for(
                "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND datname LIKE 'ct\\_%'
                     AND query ~ '^SELECT pg_sleep'",
            );
            run.kill();
            Ok(())
        },
        says: "",
        killed: true,
    },
];

#[test]
fn nothing_is_left_on_the_servers_however_a_run_ends() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let mut failures = String::new();
    for end in &ENDS {
        for runner in RUNNERS {
            let since = Instant::now();
            let ended = leaves_nothing(end, &project, runner, &postgres, &redis);
            println!("{} under {runner:?}: {:.1?}", end.test, since.elapsed());
            if let Err(failure) = ended {
                let _ = writeln!(failures, "{} under {runner:?}: {failure}\n", end.test);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn leaves_nothing(
    end: &End,
    project: &Project,
    runner: Runner,
    postgres: &Postgres,
    redis: &Redis,
) -> Result<(), String> {
    let on_servers = || run(project, runner, &postgres.url(), &redis.url());
    let mut ended = on_servers()
        .args(&["--test", "ends", "--", "--exact", end.test])
        .start();
    (end.happens)(&mut ended, postgres)?;
    let ended = ended.finish();
    if !ended.output.contains(end.says) || ended.output.contains("LEAK") {
        return Err(format!("it said:\n{}", ended.output));
    }
    if end.killed {
        let claims = postgres.rows_in(
            "container_test_1",
            "SELECT lease FROM claim UNION ALL SELECT lease FROM template WHERE profile IS NULL",
        );
        if claims.is_empty() {
            return Err("it was not killed in the middle".to_owned());
        }
        passed(
            &on_servers()
                .args(&["--test", "ends", "--", "--exact", "passes"])
                .finish(),
            1,
        );
    }
    let left = left(postgres, redis);
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join("\n  "))
    }
}

/// What is left on servers that nobody else uses.
fn left(postgres: &Postgres, redis: &Redis) -> Vec<String> {
    let mut left = postgres.left();
    left.extend(redis.clients());
    left.extend(redis.keys().into_keys().map(|key| format!("key {key}")));
    left
}

#[test]
fn a_database_that_is_still_being_created_when_its_process_is_killed_goes_as_well() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let large = ["--test", "ends", "--", "--exact", "has_a_large_template"];
    let on_servers = || run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    passed(&on_servers().args(&large).finish(), 1);

    let creating =
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query ~ '^CREATE DATABASE'";
    let killed = on_servers().args(&large).start();
    postgres.wait_for(creating);
    let session = postgres.rows(creating);
    signal("STOP", &session);
    killed.kill();
    let _ = killed.finish();
    let next = on_servers()
        .args(&["--test", "ends", "--", "--exact", "uses_postgres"])
        .start();
    // Somebody else is at it now, and has had time to be wrong.
    postgres.wait_for_in(
        "container_test_1",
        "SELECT 1 WHERE NOT EXISTS
             (SELECT FROM claim WHERE test LIKE '%large%' AND lease NOT IN (SELECT live_leases()))",
    );
    sleep(Duration::from_millis(500));
    signal("CONT", &session);
    passed(&next.finish(), 1);
    let created = format!("SELECT 1 WHERE NOT EXISTS ({creating})");
    postgres.wait_for(&created);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

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
    for (runner, test) in [
        (Runner::CargoTest, "passes"),
        (Runner::Nextest, "passes"),
        (Runner::CargoTest, "panics"),
    ] {
        let run = run(&project, runner, &postgres.url(), &redis.url());
        let run = run
            .args(&["--test", "ends", "--", "--exact", test])
            .finish();
        assert_eq!(run.status.success(), test == "passes", "{}", run.output);
        assert_eq!(redis.keys(), before, "{}", run.output);
    }
    let mut killed = run(&project, Runner::CargoTest, &postgres.url(), &redis.url())
        .args(&["--test", "ends", "--", "--exact", "hangs"])
        .start();
    killed.wait_for_mark().unwrap();
    // In the first database that is free.
    assert_eq!(redis.ask(4, &["GET", "session:1"]), "\"grace\"");
    killed.kill();
    let _ = killed.finish();
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    passed(
        &run.args(&["--test", "ends", "--", "--exact", "passes"])
            .finish(),
        1,
    );
    assert_eq!(redis.keys(), before);
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn without_a_database_that_is_empty_there_is_an_error_at_once_and_no_flush() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    for database in 1..16 {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    let before = redis.keys();
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let since = Instant::now();
    let run = run
        .args(&["--test", "ends", "--", "--exact", "passes"])
        .finish();
    assert!(since.elapsed() < Duration::from_secs(10), "{}", run.output);
    says(
        &run,
        "passes",
        &[
            "failed to claim a Redis keyspace",
            "because: of its 16 logical databases, all but number 0, which tests do not get, hold keys of others",
            "note: on the server redis://127.0.0.1:",
            "help: remove the keys of one",
        ],
    );
    assert_eq!(redis.keys(), before);
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn templates_go_when_nobody_used_them_for_a_day_and_nothing_of_others_goes() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let on_servers = |arguments: &[&str]| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        passed(&run.args(arguments).finish(), 1);
    };
    let used = ["--test", "ends", "--", "--exact", "uses_postgres"];
    let other = ["--test", "crowd", "--", "--exact", "other_template"];
    on_servers(&used);
    let [used_template] = &postgres.templates()[..] else {
        panic!("one template")
    };
    on_servers(&other);
    let both = postgres.templates();
    let other_template = both.iter().find(|name| *name != used_template).unwrap();

    // Databases of others, with names like ours.
    let theirs = [
        "ct_app".to_owned(),
        format!("{used_template}_1"),
        format!("{other_template}_99"),
        "ct_crate_0123456789ab".to_owned(),
        "container_test_2".to_owned(),
    ];
    for name in &theirs {
        postgres.psql(&format!("CREATE DATABASE \"{name}\" OWNER tester"));
    }
    postgres.psql("CREATE DATABASE ct_template OWNER tester IS_TEMPLATE true");
    let age = |name: &str, age: &str| {
        let age = format!(
            "UPDATE template SET used = clock_timestamp() - interval '{age}' WHERE name = '{name}' RETURNING name"
        );
        assert_eq!(postgres.rows_in("container_test_1", &age), [name]);
    };
    age(other_template, "23 hours");
    age(used_template, "25 hours");
    on_servers(&used);
    assert_eq!(
        postgres.templates(),
        both,
        "one is young enough, the other in use"
    );
    age(other_template, "25 hours");
    on_servers(&used);
    assert_eq!(&postgres.templates(), std::slice::from_ref(used_template));

    let exists = |name: &str| {
        let query = format!("SELECT datname FROM pg_database WHERE datname = '{name}'");
        !postgres.rows("SELECT 1").is_empty() && !postgres.rows(&query).is_empty()
    };
    assert!(!exists(other_template));
    for name in theirs.iter().map(String::as_str).chain(["ct_template"]) {
        assert!(exists(name), "{name} is gone");
    }
}

#[test]
fn two_projects_use_the_same_servers_at_once() {
    let first = project();
    let second = Project::new("lifecycle", &[], env!("CARGO_TARGET_TMPDIR"));
    second.build(&[]);
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let url = (postgres.url(), redis.url());
    let first = run(&first, Runner::CargoTest, &url.0, &url.1)
        .args(&["--test", "ends", "--test", "crowd", "--", "passes", "both"])
        .start();
    let second = run(&second, Runner::Nextest, &url.0, &url.1)
        .args(&["--lib", "--test", "ends", "unit", "passes"])
        .start();
    let (first, second) = (first.finish(), second.finish());
    passed(&first, 8);
    passed(&second, 3);
    assert_eq!(postgres.templates().len(), 2);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn tests_wait_for_keyspaces_and_say_so() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    // Two are left.
    for database in 3..16 {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    let before = redis.keys();
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let run = run
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
const NARROW: [&str; 2] = ["max_connections=20", "superuser_reserved_connections=3"];

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
fn places_of_killed_processes_are_given_to_those_that_wait() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    let on_servers = |test| {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.args(&["--test", "crowd", "--", test]).start()
    };
    let holder = on_servers("holds_on");
    let claims = "SELECT 1 FROM claim HAVING count(*) = 2";
    postgres.wait_for_in("container_test_1", claims);
    let waiting = on_servers("postgres_");
    // Longer than one look for places of processes that are gone.
    sleep(Duration::from_secs(7));
    holder.kill();
    let _ = holder.finish();
    let waiting = waiting.finish();
    passed(&waiting, 8);
    assert!(
        waiting.output.contains(
            "container-test: waiting for one of 2 places on the server postgres://tester@127.0.0.1:"
        ),
        "{}",
        waiting.output
    );
    assert_eq!(postgres.left(), [""; 0]);
}

/// What a test must say, and nothing of the password.
fn says(run: &Finished<'_>, test: &str, parts: &[&str]) {
    let said = run.said_by(test);
    for part in parts {
        assert!(
            said.contains(part),
            "{test} does not say {part:?}:\n{}",
            run.output
        );
    }
    assert!(!run.output.contains(PASSWORD), "{}", run.output);
}

/// A test, the URL that it is given, and what it must say.
type Mistake = (&'static str, String, Vec<String>);

fn postgres_mistakes(postgres: &Postgres, standby: &Postgres) -> Vec<Mistake> {
    let nobody = free_port();
    vec![
        (
            "uses_postgres",
            format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:a/theirs"),
            vec![
                "failed to use the postgres server given by an odd URL".to_owned(),
                "because: failed to read CONTAINER_TEST_POSTGRES_URL".to_owned(),
                "invalid port number".to_owned(),
                "help: write `postgres://user:password@host:port/database`".to_owned(),
            ],
        ),
        (
            "uses_postgres",
            format!("mysql://{ROLE}:{PASSWORD}@127.0.0.1/theirs"),
            vec![
                "failed to read CONTAINER_TEST_POSTGRES_URL".to_owned(),
                "it is not a URL of PostgreSQL".to_owned(),
                "help: write `postgres://".to_owned(),
            ],
        ),
        (
            "uses_postgres",
            format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{nobody}/theirs"),
            vec![
                format!(
                    "failed to use the postgres server postgres://{ROLE}@127.0.0.1:{nobody}/theirs"
                ),
                "Connection refused".to_owned(),
                "note: service postgres, provider external: CONTAINER_TEST_POSTGRES_URL is set".to_owned(),
                "help: check the URL: scheme, host, port".to_owned(),
            ],
        ),
        (
            "uses_postgres",
            postgres.url_of(ROLE, "wrong"),
            vec![
                "password authentication failed for user \"tester\" (SQLSTATE 28P01)".to_owned(),
                "help: check the URL: scheme, host, port, user, password".to_owned(),
            ],
        ),
        (
            "uses_postgres",
            postgres.url_of("weak", PASSWORD),
            vec![
                "failed to create a database".to_owned(),
                "permission denied to create database (SQLSTATE 42501)".to_owned(),
                "help: give the user of the URL the right to: `ALTER ROLE … CREATEDB`".to_owned(),
            ],
        ),
        (
            "uses_postgres",
            standby.url(),
            vec![
                "failed to create a database".to_owned(),
                "(SQLSTATE 25006)".to_owned(),
                "note: the server is a hot standby, or read-only".to_owned(),
                "help: name a primary server in the URL".to_owned(),
            ],
        ),
        (
            "wants_a_postgres_of_its_own",
            postgres.url(),
            vec![
                "failed to give the test a postgres server of its own".to_owned(),
                "because: servers given by URL are shared".to_owned(),
                "help: run this test with Docker or local programs, or use `isolation = \"database\"`".to_owned(),
            ],
        ),
    ]
}

fn redis_mistakes(redis: &Redis, locked: &Redis) -> Vec<Mistake> {
    let nobody = free_port();
    vec![
        (
            "uses_redis",
            format!("redis://:{PASSWORD}@127.0.0.1:a"),
            vec![
                "failed to use the redis server given by an odd URL".to_owned(),
                "help: write CONTAINER_TEST_REDIS_URL as `redis://user:password@host:port`"
                    .to_owned(),
            ],
        ),
        (
            "uses_redis",
            format!("{ROLE}:{PASSWORD}"),
            vec!["help: write CONTAINER_TEST_REDIS_URL as".to_owned()],
        ),
        (
            "uses_redis",
            format!("redis://:{PASSWORD}@127.0.0.1:{nobody}"),
            vec![
                format!("failed to use the redis server redis://@127.0.0.1:{nobody}"),
                "Connection refused".to_owned(),
                "help: check the URL: scheme, host, port".to_owned(),
            ],
        ),
        (
            "uses_redis",
            locked.url(),
            vec![
                format!("failed to use the redis server {}", locked.url()),
                "NOAUTH".to_owned(),
                "help: check the URL: scheme, host, port, user, password".to_owned(),
            ],
        ),
        (
            "wants_a_redis_of_its_own",
            redis.url(),
            vec![
                "failed to give the test a redis server of its own".to_owned(),
                "help: run this test with Docker or local programs".to_owned(),
            ],
        ),
    ]
}

#[test]
fn wrong_urls_and_rights_are_reported_with_place_cause_and_next_step_and_leave_nothing() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let locked = Redis::start(&["--requirepass", PASSWORD]);
    postgres.psql(&format!("CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}'"));
    let weak = ["role weak"];
    let standby = postgres.start_standby();
    let check = |(test, parts): (&str, Vec<String>), postgres_url: &str, redis_url: &str| {
        let run = run(&project, Runner::CargoTest, postgres_url, redis_url);
        let run = run
            .args(&["--test", "ends", "--", "--exact", test])
            .finish();
        says(
            &run,
            test,
            &parts.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert_eq!(left(&postgres, &redis), weak, "{}", run.output);
    };
    for (test, url, parts) in postgres_mistakes(&postgres, &standby) {
        check((test, parts), &url, &redis.url());
    }
    for (test, url, parts) in redis_mistakes(&redis, &locked) {
        check((test, parts), &postgres.url(), &url);
    }
    assert_eq!(standby.left(), [""; 0]);
}

#[test]
fn wrong_rights_are_reported_where_the_registry_is_there_already() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    postgres.psql(&format!("CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}'"));
    let standby = postgres.start_standby();
    let on_servers = |url: &str| {
        let run = run(&project, Runner::CargoTest, url, &redis.url());
        run.args(&["--test", "ends", "--", "--exact", "uses_postgres"])
            .finish()
    };
    passed(&on_servers(&postgres.url()), 1);
    says(
        &on_servers(&postgres.url_of("weak", PASSWORD)),
        "uses_postgres",
        &[
            "permission denied for",
            "help: tests share the database container_test_1, which another role has made",
        ],
    );
    // On the right server, but without the right to create databases any more.
    postgres.psql(&format!("ALTER ROLE {ROLE} NOCREATEDB"));
    says(
        &on_servers(&postgres.url()),
        "uses_postgres",
        &[
            "permission denied to create database (SQLSTATE 42501)",
            "help: give the user of the URL the right to",
        ],
    );
    standby.wait_for_in(
        "container_test_1",
        "SELECT name FROM template WHERE profile IS NOT NULL",
    );
    says(
        &on_servers(&standby.url()),
        "uses_postgres",
        &["(SQLSTATE 25006)", "help: name a primary server in the URL"],
    );
    assert_eq!(left(&postgres, &redis), ["role weak"]);
}

#[test]
fn a_silent_server_is_waited_for_once_and_not_by_every_test() {
    let project = project();
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let run = run(
        &project,
        Runner::CargoTest,
        "postgres://nobody@127.0.0.1/",
        &nobody,
    );
    let run = run.args(&["--test", "crowd", "redis_"]).finish();
    assert!(run.output.contains("0 passed; 8 failed"), "{}", run.output);
    let seconds = run.output.split("finished in ").nth(1);
    let seconds = seconds.and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    assert!(
        seconds.is_some_and(|seconds| seconds < 20),
        "{}",
        run.output
    );
}

#[test]
fn unix_sockets_work_as_urls() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let directory = postgres.socket_directory().display().to_string();
    let port = postgres.port();
    let encoded = directory.replace('/', "%2F");
    let redis_url = format!("unix://{}", redis.socket().display());
    for url in [
        format!("postgres://{ROLE}@{encoded}:{port}/theirs"),
        format!("postgres://{ROLE}@localhost:{port}/theirs?host={directory}"),
    ] {
        let run = run(&project, Runner::CargoTest, &url, &redis_url);
        passed(
            &run.args(&["--test", "ends", "--", "--exact", "passes"])
                .finish(),
            1,
        );
        assert_eq!(left(&postgres, &redis), [""; 0]);
    }
}
#[test]
fn tests_that_need_two_scarce_things_do_not_wait_for_each_other() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&NARROW), Redis::start(&[]));
    // Two are left, as there are two places.
    for database in 3..16 {
        redis.ask(database, &["SET", "theirs", "1"]);
    }
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let run = run
        .args(&["--test", "crowd", "--", "--test-threads=8", "both_"])
        .finish();
    passed(&run, 8);
    assert_eq!(postgres.left(), [""; 0]);
}
