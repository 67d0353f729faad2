//! Wrong URLs and missing rights.

use container_test_tests::run::Runner;
use container_test_tests::servers::{PASSWORD, Postgres, REGISTRY, ROLE, Redis, free_port};

use crate::{AT_ONCE, left, passed, project, run, says, seconds};

/// A test, the URL that it is given, and what it must say.
type Mistake = (&'static str, String, Vec<String>);

fn postgres_mistakes(postgres: &Postgres, standby: &Postgres, redis: &Redis) -> Vec<Mistake> {
    let (nobody, other) = (free_port(), redis.port());
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
            format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{other}/theirs"),
            vec![
                "no answer as PostgreSQL gives it within 10s".to_owned(),
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
                "help: run this test with Docker or local programs, or leave out `isolation = \"server\"`".to_owned(),
            ],
        ),
    ]
}

fn redis_mistakes(redis: &Redis, locked: &Redis, postgres: &Postgres) -> Vec<Mistake> {
    let (nobody, other) = (free_port(), postgres.port());
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
            format!("redis://:{PASSWORD}@127.0.0.1:{other}"),
            vec![
                format!("failed to use the redis server redis://@127.0.0.1:{other}"),
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
fn wrong_urls_and_rights_are_reported_with_cause_and_next_step_and_leave_nothing() {
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
    for (test, url, parts) in postgres_mistakes(&postgres, &standby, &redis) {
        check((test, parts), &url, &redis.url());
    }
    for (test, url, parts) in redis_mistakes(&redis, &locked, &postgres) {
        check((test, parts), &postgres.url(), &url);
    }
    assert_eq!(standby.left(), [""; 0]);
}

#[test]
fn wrong_rights_are_reported_where_the_registry_is_there_already() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let standby = postgres.start_standby();
    let on_servers = |url: &str| {
        let run = run(&project, Runner::CargoTest, url, &redis.url());
        run.args(&["--test", "ends", "--", "--exact", "uses_postgres"])
            .finish()
    };
    passed(&on_servers(&postgres.url()), 1);
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
        REGISTRY,
        "SELECT name FROM template WHERE snapshot IS NOT NULL",
    );
    says(
        &on_servers(&standby.url()),
        "uses_postgres",
        &["(SQLSTATE 25006)", "help: name a primary server in the URL"],
    );
    assert_eq!(left(&postgres, &redis), [""; 0]);
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
    assert!(seconds(&run) < 20.0, "{}", run.output);
}

#[test]
fn a_refused_password_ends_the_wait_at_once() {
    let project = project();
    let postgres = Postgres::start(&[]);
    let redis = Redis::start(&["--requirepass", PASSWORD]);
    let wrong = format!("redis://:wrong@127.0.0.1:{}", redis.port());
    for (test, reason) in [
        ("uses_postgres", "password authentication failed for user"),
        ("uses_redis", "because: Password authentication failed"),
    ] {
        let url = postgres.url_of(ROLE, "wrong");
        let run = run(&project, Runner::CargoTest, &url, &wrong);
        let run = run
            .args(&["--test", "ends", "--", "--exact", test])
            .finish();
        let help = "help: check the URL: scheme, host, port, user, password";
        says(&run, test, &[reason, help]);
        assert!(seconds(&run) < AT_ONCE, "{}", run.output);
    }
}
