//! Wrong input at run time: each message names the place, the cause and the next step, and
//! nothing is left behind.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use std::fmt::Write;
use std::time::Duration;
use std::{fs, io};

use container_test_tests::engine::Engine;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Runner};

/// When nothing may be left after the end of a run.
const DEADLINE: Duration = Duration::from_secs(15);

/// A test, and what its report must say.
type Mistake = (&'static str, &'static [&'static str]);

const MISTAKES: [Mistake; 12] = [
    (
        "file_with_a_syntax_error",
        &[
            "failed to apply the migration",
            "crate/wrong/syntax/0002_tokens.sql, line 4",
            "syntax error at or near \"TABEL\" (SQLSTATE 42601)",
            "the statement is:\n    CREATE TABEL sessions (id int)\n",
            "help: correct the migration and run the test again",
        ],
    ),
    (
        "file_with_an_error_in_a_function_body",
        &[
            "crate/wrong/body/0001_function.sql, line 4",
            "syntax error at or near \"RETRUN\"",
            "CREATE FUNCTION next_id()",
            "help: correct the migration",
        ],
    ),
    (
        "file_with_a_duplicate_row",
        &[
            "crate/wrong/duplicate/0001_users.sql, line 4",
            "duplicate key value violates unique constraint \"users_pkey\" (SQLSTATE 23505)",
            "Key (id)=(1) already exists.",
            "the statement is:\n    INSERT INTO users VALUES (1)\n",
            "help: correct the migration",
        ],
    ),
    (
        "file_directory_that_was_deleted",
        &[
            "failed to read the migrations in",
            "crate/wrong/deleted",
            "there is no such directory",
            "help: ",
        ],
    ),
    (
        "file_of_seeds_with_a_misspelt_column",
        &[
            "failed to apply the seed",
            "crate/fixtures/misspelt.sql, line 2",
            "column \"idd\" of relation \"users\" does not exist (SQLSTATE 42703)",
            "the statement is:\n    INSERT INTO users (idd) VALUES (2)\n",
            "help: correct the seed",
        ],
    ),
    (
        "file_of_seeds_that_was_deleted",
        &[
            "failed to read the seed",
            "crate/fixtures/deleted.sql",
            "No such file or directory",
            "help: ",
        ],
    ),
    (
        "file_of_commands_with_a_wrong_type",
        &[
            "failed to apply the seed",
            "crate/fixtures/wrong_type.redis, line 3",
            "WRONGTYPE",
            "the command is: LPUSH session:1 c",
            "help: ",
        ],
    ),
    (
        "inline_migration_with_a_table_that_exists",
        &[
            "failed to apply the migration number 2 of the list in the attribute, line 2",
            "relation \"b\" already exists (SQLSTATE 42P07)",
            "the statement is:\n    CREATE TABLE b ()\n",
            "help: correct the migration",
        ],
    ),
    (
        "seed_function_that_fails",
        &[
            "failed to run the seed function broken_seed",
            "because: the seed gave up",
        ],
    ),
    (
        "image_that_cannot_be_pulled",
        &[
            "failed to pull the image 127.0.0.1:1/postgres:none",
            "connection refused",
            "help: check its name and tag",
        ],
    ),
    (
        "server_that_exits_at_start",
        &[
            "failed to start the server",
            "the server ended by itself with status 1",
            "unrecognized configuration parameter \"no_such_setting\"",
            "help: the server's own words above say why",
        ],
    ),
    (
        "port_that_never_answers",
        &[
            "failed to connect to the docker container container-test-postgres-",
            "it did not answer within 8s",
            "its last log lines:",
            "listening on IPv4 address \"127.0.0.1\"",
            "help: see in its log what it waits for and where it listens",
        ],
    ),
];

#[test]
fn every_mistake_is_reported_with_position_cause_and_next_step_and_leaves_nothing() {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    let engine = Engine::connect();
    project.build(&[]);
    let path = project.path();
    fs::remove_dir_all(path.join("wrong/deleted")).unwrap();
    fs::remove_file(path.join("fixtures/deleted.sql")).unwrap();

    let names = MISTAKES.iter().map(|(name, _)| *name);
    let arguments: Vec<&str> = ["--test", "mistakes", "--", "--exact"]
        .into_iter()
        .chain(names)
        .collect();
    let run = project
        .run(Runner::CargoTest, &engine)
        .args(&arguments)
        .finish();
    let mut failures = String::new();
    for mistake in &MISTAKES {
        check(mistake, &run, &mut failures);
    }
    assert!(failures.is_empty(), "{failures}");

    correct(&project).unwrap();
    let again = project
        .run(Runner::CargoTest, &engine)
        .args(&["--test", "mistakes", "file_"])
        .as_the_user_of(&run);
    let again = again.finish();
    assert!(
        again.output.contains("test result: ok. 7 passed"),
        "{}",
        again.output
    );
    let rest = project
        .run(Runner::CargoTest, &engine)
        .args(&["--test", "mistakes", "half_made"])
        .as_the_user_of(&run);
    let rest = rest.finish();
    assert!(
        rest.output.contains("test result: ok. 1 passed"),
        "{}",
        rest.output
    );
    // Shared by the three runs, and one for each of the two servers with settings of their own.
    assert_eq!((run.servers("postgres"), run.servers("redis")), (1 + 2, 1));
    assert_eq!(rest.gone_within(DEADLINE).err(), None);
}

#[test]
fn a_missing_engine_is_reported_with_what_to_do_and_never_taken_for_a_panic_of_the_body() {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    let engine = Engine::connect();
    project.build(&[]);
    for host in ["unix:///nonexistent.sock", "tcp://127.0.0.1:1"] {
        let run = project
            .run(Runner::CargoTest, &engine)
            .env("DOCKER_HOST", host);
        let run = run.args(&["--test", "mistakes", "engine_"]).finish();
        let asked = format!("DOCKER_HOST is `{host}`");
        let expected = [
            "failed to reach a Docker engine",
            "because: ",
            &asked,
            "help: start Docker",
        ];
        let mut failures = String::new();
        for test in [
            "engine_that_is_not_there",
            "engine_that_is_not_there_is_no_panic",
        ] {
            check(&(test, &expected), &run, &mut failures);
        }
        assert!(failures.is_empty(), "{failures}");
        assert_eq!(run.left(), [""; 0]);
    }
}

#[test]
fn a_failed_test_shows_what_the_server_logged_about_it_and_not_about_the_one_before() {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    let engine = Engine::connect();
    project.build(&[]);
    let run = project.run(Runner::CargoTest, &engine);
    let tests = ["query_that_fails", "query_that_fails_as_well"];
    let run = run.args(&["--test", "mistakes", tests[0], "--", "--test-threads=1"]);
    let run = run.finish();
    let said = [
        (tests[0], "missing_one", "missing_two"),
        (tests[1], "missing_two", "missing_one"),
    ];
    for (test, logged, other) in said {
        let report = run.said_by(test);
        let statement = format!("STATEMENT:  SELECT {logged}\n");
        assert!(report.contains(&statement), "{}", run.output);
        assert!(!report.contains(other), "{}", run.output);
    }
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}

fn check((test, expected): &(&str, &[&str]), run: &Finished<'_>, failures: &mut String) {
    let said = run.said_by(test);
    let missing: Vec<_> = expected
        .iter()
        .filter(|part| !said.contains(**part))
        .collect();
    if said.is_empty() {
        let _ = writeln!(failures, "{test} did not fail:\n{}", run.output);
    } else if !missing.is_empty() {
        let _ = writeln!(failures, "{test} does not say {missing:#?}\nbut\n{said}");
    }
}

/// Does what the messages ask for.
fn correct(project: &Project) -> io::Result<()> {
    let corrections = [
        (
            "wrong/syntax/0002_tokens.sql",
            "CREATE TABLE tokens (id int);",
        ),
        (
            "wrong/body/0001_function.sql",
            "CREATE TABLE users (id int);",
        ),
        (
            "wrong/duplicate/0001_users.sql",
            "CREATE TABLE users (id int);",
        ),
        (
            "wrong/deleted/0001_users.sql",
            "CREATE TABLE users (id int);",
        ),
        (
            "fixtures/misspelt.sql",
            "INSERT INTO users (id) VALUES (1);",
        ),
        ("fixtures/deleted.sql", "INSERT INTO users (id) VALUES (1);"),
        ("fixtures/wrong_type.redis", "SET session:1 a"),
    ];
    for (file, text) in corrections {
        let file = project.path().join(file);
        fs::create_dir_all(file.with_file_name(""))?;
        fs::write(file, text)?;
    }
    Ok(())
}
