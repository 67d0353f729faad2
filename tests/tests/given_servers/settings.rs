//! Settings of the user: tests have them, and they do not disturb what is done for tests.

use container_test_tests::run::{Runner, Running};
use container_test_tests::servers::{Postgres, ROLE, Redis};

use crate::{left, passed, project, run, says};

/// What a session has that does nothing about it.
const DEFAULTS: [(&str, &str); 5] = [
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("search_path", "\"$user\", public"),
];

const SETTINGS: [(&str, &str); 5] = [
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "serializable"),
    ("statement_timeout", "1s"),
    ("lock_timeout", "1s"),
    ("search_path", "app"),
];

/// Where they are set.
#[derive(Clone, Copy, Debug)]
enum Level {
    Role,
    Database,
    RoleInDatabase,
    Server,
    Environment,
}

impl Level {
    /// Whether they are those of the test's database as well.
    fn reaches_tests(self) -> bool {
        !matches!(self, Self::Database | Self::RoleInDatabase)
    }

    /// Sets them on a server.
    fn set(self, postgres: Postgres) -> Postgres {
        let of = match self {
            Self::Role => format!("ROLE {ROLE}"),
            Self::Database => "DATABASE theirs".to_owned(),
            Self::RoleInDatabase => format!("ROLE {ROLE} IN DATABASE theirs"),
            Self::Server => "SYSTEM".to_owned(),
            Self::Environment => return postgres,
        };
        // The superuser goes on as before.
        postgres.psql("ALTER ROLE postgres SET default_transaction_read_only = off");
        postgres.psql("ALTER ROLE postgres SET search_path = public");
        for (name, value) in SETTINGS {
            postgres.psql(&format!("ALTER {of} SET {name} = '{value}'"));
        }
        postgres.prepared_by("SELECT pg_reload_conf()")
    }
}

#[test]
fn settings_of_the_user_are_those_of_tests_and_do_not_disturb_their_setup() {
    let project = project();
    for level in [
        Level::Role,
        Level::Database,
        Level::RoleInDatabase,
        Level::Server,
        Level::Environment,
    ] {
        let redis = Redis::start(&[]);
        let postgres = level.set(Postgres::start(&[]));
        let expected = if level.reaches_tests() {
            SETTINGS
        } else {
            DEFAULTS
        };
        let expected: Vec<String> = expected
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for runner in [Runner::CargoTest, Runner::Nextest] {
            let mut run = run(&project, runner, &postgres.url(), &redis.url())
                .env("EXPECTED", &expected.join("\n"))
                .args(&["--test", "settings", "settings_of_the_user"]);
            if let Level::Environment = level {
                let options: Vec<String> = SETTINGS
                    .iter()
                    .map(|(name, value)| format!("-c {name}={value}"))
                    .collect();
                run = run.env("PGOPTIONS", &options.join(" "));
            }
            let run = run.env("CONTAINER_TEST_VERBOSE", "1").finish();
            passed(&run, 2);
            // The seed before it is in the template. nextest does not show what passes.
            let says = "/fixtures/drawn_note.sql and the seeds after it are applied for each test, not \
                        in the template (it reads the clock or draws random numbers)";
            let said = run.output.contains(says);
            assert!(said || runner == Runner::Nextest, "{}", run.output);
            assert_eq!(left(&postgres, &redis), [""; 0], "{level:?}");
        }
    }
}

#[test]
fn a_role_that_migrations_make_is_made_once_by_many_processes() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    postgres.psql(&format!("ALTER ROLE {ROLE} CREATEROLE"));
    let runs = [Runner::Nextest, Runner::CargoTest, Runner::CargoTest].map(|runner| {
        let run = run(&project, runner, &postgres.url(), &redis.url());
        run.args(&["--test", "settings", "role_"]).start()
    });
    for run in runs.map(Running::finish) {
        passed(&run, 4);
    }
    assert_eq!(left(&postgres, &redis), ["role theirs_too"]);
}

#[test]
fn an_ordinary_role_is_as_before_after_migrations_that_change_it() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    postgres.psql(&format!("ALTER ROLE {ROLE} CREATEROLE"));
    let role = format!("SELECT to_jsonb(r) FROM pg_authid r WHERE rolname = '{ROLE}'");
    let before = postgres.rows(&role);
    let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
    let run = run
        .args(&["--test", "settings", "changes_its_role"])
        .finish();
    says(
        &run,
        "changes_its_role",
        &[
            "it has changed what belongs to the server, which tests share: attributes of the role",
            "help: leave it out, or give the test a server of its own",
        ],
    );
    assert_eq!(postgres.rows(&role), before);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}

#[test]
fn an_extension_that_takes_a_superuser_comes_from_the_databases_that_others_are_made_of() {
    let project = project();
    let (postgres, redis) = (Postgres::start(&[]), Redis::start(&[]));
    let wants = || {
        let run = run(&project, Runner::CargoTest, &postgres.url(), &redis.url());
        run.args(&["--test", "settings", "wants_an_extension"])
            .finish()
    };
    says(
        &wants(),
        "wants_an_extension",
        &[
            "failed to create the extension pageinspect",
            "permission denied to create extension",
            "help: have a superuser create it in the database `template1`",
        ],
    );
    assert_eq!(left(&postgres, &redis), [""; 0]);
    let _ = postgres.rows_in("template1", "CREATE EXTENSION pageinspect");
    passed(&wants(), 1);
    assert_eq!(left(&postgres, &redis), [""; 0]);
}
