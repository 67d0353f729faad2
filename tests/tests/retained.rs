//! The report of a failed test: what it ran on, why it failed, what was slow, and, with
//! `CONTAINER_TEST_KEEP=1`, commands that look at what it had and that remove it.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::expect_used,
    reason = "what goes wrong fails the test that called"
)]

use std::process::Command;
use std::time::Duration;

use container_test_tests::ends::DEADLINE;
use container_test_tests::engine::Engine;
use container_test_tests::project::Project;
use container_test_tests::run::{Finished, Run, Runner};
use container_test_tests::servers::{PASSWORD, Postgres, Redis};

/// How long the servers stay, in seconds: time enough to look.
const IDLE: u64 = 8;

const TEST: &str = "returns_an_error_of_the_server";

fn project() -> Project {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--test", "retained"]);
    project
}

fn finish<'a>(run: Run<'a>, test: &str) -> Finished<'a> {
    let run = run
        .env("CONTAINER_TEST_IDLE", &IDLE.to_string())
        .args(&["--test", "retained", "--", "--exact", test])
        .finish();
    assert!(!run.status.success(), "{}", run.output);
    run
}

/// The commands that the report gives after these words.
fn commands<'o>(output: &'o str, words: &str) -> Vec<&'o str> {
    let words = format!("container-test: {words}: ");
    output
        .lines()
        .filter_map(|line| line.strip_prefix(&words))
        .collect()
}

/// Runs a command as a person does in a shell, with the arguments and the passwords of servers that
/// are given by URL, which the command would ask for.
fn shell(command: &str, arguments: &str) -> String {
    let command = &command.replace(" --askpass", "");
    let output = Command::new("sh")
        .args(["-c", &format!("{command} {arguments}")])
        .env("PGPASSWORD", PASSWORD)
        .env("REDISCLI_AUTH", PASSWORD)
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        output.status.success(),
        "{command}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Runs what the report says about looking and removing.
fn look_and_remove(output: &str) {
    let look = commands(output, "retained");
    let [psql, redis_cli] = look[..] else {
        panic!("two commands: {look:?}\n{output}");
    };
    assert!(psql.starts_with("psql 'postgres://"), "{psql}");
    assert_eq!(shell(psql, "-At -c 'SELECT id FROM users'"), "7");
    assert!(
        redis_cli.starts_with("redis-cli -u 'redis://"),
        "{redis_cli}"
    );
    assert_eq!(
        shell(&format!("{redis_cli} --no-auth-warning"), "GET left"),
        "42"
    );
    let remove = commands(output, "to remove it");
    let [drop, flush] = remove[..] else {
        panic!("two commands: {remove:?}\n{output}");
    };
    assert_eq!(shell(drop, ""), "DROP DATABASE");
    assert_eq!(shell(flush, ""), "OK");
    assert_eq!(
        shell(&format!("{redis_cli} --no-auth-warning"), "DBSIZE"),
        "0"
    );
    let gone = Command::new("sh")
        .args(["-c", &format!("{psql} -c 'SELECT 1'")])
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(said.contains("does not exist"), "{said}");
}

#[test]
fn what_a_failed_test_had_can_be_looked_at_and_removed_on_local_servers() {
    let project = project();
    let run = project
        .run_without_engine(Runner::CargoTest)
        .on_local_servers();
    let run = finish(run.env("CONTAINER_TEST_KEEP", "1"), TEST);
    look_and_remove(&run.output);
    let limit = DEADLINE + Duration::from_secs(IDLE);
    assert_eq!(run.gone_within(limit).err(), None);
}

#[test]
fn what_a_failed_test_had_can_be_looked_at_and_removed_in_containers() {
    let (project, engine) = (project(), Engine::connect());
    let run = project.run(Runner::CargoTest, &engine);
    let run = finish(run.env("CONTAINER_TEST_KEEP", "1"), TEST);
    look_and_remove(&run.output);
    let limit = DEADLINE + Duration::from_secs(IDLE);
    assert_eq!(run.gone_within(limit).err(), None);
}

#[test]
fn what_a_failed_test_had_can_be_looked_at_and_removed_on_servers_given_by_url() {
    let project = project();
    let postgres = Postgres::start(&[]);
    let redis = Redis::start(&["--requirepass", PASSWORD]);
    let redis_url = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port());
    let on_servers = || {
        project
            .run_without_engine(Runner::CargoTest)
            .env("CONTAINER_TEST_PROVIDER", "external")
            .env("CONTAINER_TEST_POSTGRES_URL", &postgres.url())
            .env("CONTAINER_TEST_REDIS_URL", &redis_url)
    };
    let run = finish(on_servers().env("CONTAINER_TEST_KEEP", "1"), TEST);
    assert!(!run.output.contains(PASSWORD), "{}", run.output);
    look_and_remove(&run.output);
    // Its claim is forgotten by the next process.
    let _ = finish(on_servers(), TEST);
    assert_eq!(postgres.left(), [""; 0]);
}

#[test]
fn a_failed_test_says_what_it_ran_on_why_it_failed_and_what_was_slow() {
    let project = project();
    let run = project
        .run_without_engine(Runner::CargoTest)
        .on_local_servers();
    let run = finish(run, TEST);
    let output = &run.output;
    let expected = [
        "container-test: the body returned: sign up\n    \
         because: duplicate key value violates unique constraint \"users_pkey\" (SQLSTATE 23505)\n      \
         detail: Key (id)=(7) already exists.\n",
        "container-test: ran on postgres 1",
        "\n  at postgres://postgres@127.0.0.1:",
        "\n  at redis://default@127.0.0.1:",
        "container-test: postgres logged about this test:\n",
        "STATEMENT:  INSERT INTO users VALUES (7)",
        "container-test: slow steps: ",
    ];
    for part in expected {
        assert!(output.contains(part), "{part}\n{output}");
    }
    let slow = output.lines().find(|line| line.contains("slow steps: "));
    assert!(
        slow.is_some_and(|slow| slow.contains("body 0.")),
        "{output}"
    );
    assert_eq!(commands(output, "retained"), [""; 0], "{output}");

    let second = project.run_without_engine(Runner::CargoTest);
    let second = second
        .env("CONTAINER_TEST_PROVIDER", "local")
        .as_the_user_of(&run);
    let second = finish(second, "returns_an_error_with_a_hint");
    let expected = "container-test: the body returned: function lenght(unknown) does not exist \
                    (SQLSTATE 42883)\n  hint: ";
    assert!(second.output.contains(expected), "{}", second.output);
    let limit = DEADLINE + Duration::from_secs(IDLE);
    assert_eq!(second.gone_within(limit).err(), None);
}

/// The whole report of a test whose seed fails, on a local server. What differs between runs is
/// replaced.
const REPORT: &str = "\
container-test: ran on postgres [version], database ct_crate_[hash]_1, local server [program] on port [port], data in [directory]
  at postgres://postgres@127.0.0.1:[port]/ct_crate_[hash]_1
container-test: postgres logged about this test:
[time] [process] ct_crate_[hash]_1 ERROR:  no room
[time] [process] ct_crate_[hash]_1 DETAIL:  the shelf is full
[time] [process] ct_crate_[hash]_1 HINT:  remove a book
[time] [process] ct_crate_[hash]_1 CONTEXT:  PL/pgSQL function refuse() line 3 at RAISE
[time] [process] ct_crate_[hash]_1 STATEMENT:  -- It reads the clock, so it is applied for each test.
	INSERT INTO shelf VALUES (1, now());
	SELECT pg_sleep(0.3);
	INSERT INTO shelf
	    VALUES (7, now());
container-test: slow steps: server of postgres, seeds

thread 'fails_in_a_seed' ([number]) panicked at tests/retained.rs:26:1:
the test retained::fails_in_a_seed could not run

failed to apply the seed crate/fixtures/shelf.sql, line 4
  because: no room (SQLSTATE 23514)
  note: detail: the shelf is full
  note: hint: remove a book
  note: where: PL/pgSQL function refuse() line 3 at RAISE
  note: the statement is:
    INSERT INTO shelf
        VALUES (7, now())
  help: correct the seed and run the test again; nothing of it was applied

note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
";

#[test]
fn the_whole_report_of_a_failed_test() {
    let project = project();
    let run = project
        .run_without_engine(Runner::CargoTest)
        .on_local_servers();
    let run = finish(run, "fails_in_a_seed");
    let directory = format!("{}/", project.path().parent().expect("above").display());
    let report = run.said_by("fails_in_a_seed").replace(&directory, "");
    let report: Vec<String> = report.lines().map(without_what_differs).collect();
    assert_eq!(report, REPORT.lines().collect::<Vec<_>>(), "{}", run.output);
    let limit = DEADLINE + Duration::from_secs(IDLE);
    assert_eq!(run.gone_within(limit).err(), None);
}

/// Returns a line with names in place of what differs between runs, and the slow steps that are slow
/// on any machine.
fn without_what_differs(line: &str) -> String {
    const DIFFERS: [(&str, &str, &str); 7] = [
        ("ran on postgres ", ",", "[version]"),
        ("ct_crate_", "_1", "[hash]"),
        ("local server ", " on port", "[program]"),
        (" on port ", ",", "[port]"),
        (", data in ", "\n", "[directory]"),
        ("127.0.0.1:", "/", "[port]"),
        ("thread 'fails_in_a_seed' (", ")", "[number]"),
    ];
    if let Some(steps) = line.strip_prefix("container-test: slow steps: ") {
        let steps = steps
            .split(", ")
            .filter_map(|step| step.rsplitn(3, ' ').nth(2));
        let slow = steps.filter(|step| ["server of postgres", "seeds"].contains(step));
        let slow: Vec<&str> = slow.collect();
        return format!("container-test: slow steps: {}", slow.join(", "));
    }
    let mut line = line.to_owned();
    for (before, after, name) in DIFFERS {
        if let Some(start) = line.find(before).map(|at| at + before.len()) {
            let end = line[start..]
                .find(after)
                .map_or(line.len(), |at| start + at);
            line.replace_range(start..end, name);
        }
    }
    // The log: a time, then the number of the process.
    match line.split_once("] ct_crate_") {
        Some((_, said)) => format!("[time] [process] ct_crate_{said}"),
        None => line,
    }
}
