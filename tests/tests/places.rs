//! Mistakes in migrations that a server reports in words of its own: the report has the file, the
//! line and what to write instead.
#![cfg(target_os = "linux")] // Processes are found in /proc.

use container_test_tests::ends::DEADLINE;
use container_test_tests::project::Project;
use container_test_tests::run::Runner;

/// A test, and the whole report of its mistake, without the notes about the server.
const REPORTS: [(&str, &str); 5] = [
    (
        "statement_that_cannot_be_in_a_transaction",
        "failed to apply the migration crate/wrong/alone/0001_users.sql, line 2\n  \
         because: CREATE INDEX CONCURRENTLY cannot run inside a transaction block (SQLSTATE 25001)\n  \
         note: the statement is:\n    CREATE INDEX CONCURRENTLY users_id ON users (id)\n  \
         help: put it into a migration of its own, which has nothing else; the first line of a file \
         has to be `-- no-transaction`",
    ),
    (
        "inline_statement_that_cannot_be_in_a_transaction",
        "failed to apply the migration number 1 of the list in the attribute, line 2\n  \
         because: VACUUM cannot run inside a transaction block (SQLSTATE 25001)\n  \
         note: the statement is:\n    VACUUM a\n  \
         help: put it into a migration of its own, which has nothing else; the first line of a file \
         has to be `-- no-transaction`",
    ),
    (
        "value_that_is_not_committed",
        "failed to apply the migration crate/wrong/value/0002_value.sql, line 2\n  \
         because: unsafe use of new value \"b\" of enum type kind (SQLSTATE 55P04)\n  \
         note: hint: New enum values must be committed before they can be used.\n  \
         note: the statement is:\n    SELECT 'b'::kind\n  \
         help: use the new value in a migration after this one: it has to be committed first",
    ),
    (
        "migration_that_ends_its_own_session",
        "failed to apply the migration crate/wrong/session/0002_end.sql\n  \
         because: terminating connection due to administrator command (SQLSTATE 57P01)\n  \
         note: the session that it ran in has ended\n  \
         help: a migration must not end its own session, as with `pg_terminate_backend`; if it does \
         not, the server's log says what has ended it",
    ),
    (
        "constraint_that_is_checked_at_the_end",
        "failed to apply the migration crate/wrong/commit/0002_tokens.sql, line 4\n  \
         because: insert or update on table \"tokens\" violates foreign key constraint \
         \"tokens_owner_fkey\" (SQLSTATE 23503)\n  \
         note: detail: Key (owner)=(1) is not present in table \"users\".\n  \
         note: the statement is:\n    INSERT INTO tokens VALUES (1)\n  \
         help: correct the migration and run the test again; nothing of it was applied",
    ),
];

#[test]
fn the_report_names_the_file_the_line_and_what_to_write_instead() {
    let project = Project::new("mistakes", &[], env!("CARGO_TARGET_TMPDIR"));
    project.build(&["--test", "places"]);
    let run = project.run_without_engine(Runner::CargoTest);
    let run = run.on_local_servers().env("CONTAINER_TEST_IDLE", "2");
    let run = run.args(&["--test", "places"]).finish();
    let directory = format!("{}/", project.path().parent().unwrap().display());
    for (test, report) in REPORTS {
        let said = run.said_by(test).replace(&directory, "");
        let of_server =
            |line: &&str| !line.starts_with("  note: service postgres, on local server");
        let said: Vec<&str> = said.lines().filter(of_server).collect();
        assert!(
            said.join("\n").contains(report),
            "{test}:\n{}",
            said.join("\n")
        );
    }
    assert!(run.output.contains("1 passed; 5 failed"), "{}", run.output);
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}
