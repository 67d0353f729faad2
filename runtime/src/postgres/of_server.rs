//! What migrations and seeds of a template may not change, since it belongs to the server, which
//! tests share. A statement that shows it is refused before anything runs. What shows only
//! afterwards is found by `role_state`.

use super::scan;
use super::script::Script;
use super::sql::{self, Position};
use crate::{Error, Result};

/// What to do about a change of the server.
pub(super) const HELP: &str = "leave it out, or give the test a server of its own, where it may change \
                               everything: `postgres(isolation = \"server\")`";

/// Refuses the first statement that shows that it changes the server. `own` are the names of the
/// roles that run migrations and administer the server.
pub(super) fn refuse(scripts: &[Script], own: &[&str]) -> Result<()> {
    for script in scripts {
        if let Some((position, cause)) = forbidden(&script.text, own) {
            let (kind, source, line) = (script.kind, &script.source, position.line);
            let step = format!("apply the {kind} {source}, line {line}");
            return Err(Error::new(step)
                .because(cause)
                .note(format!("the statement is:\n{}", position.statement))
                .with_help(HELP));
        }
    }
    Ok(())
}

/// Returns the first statement that changes the server, and what it changes.
fn forbidden<'a>(script: &'a str, own: &[&str]) -> Option<(Position<'a>, &'static str)> {
    sql::positions(script).find_map(|position| {
        let cause = changes(position.statement, own)?;
        Some((position, cause))
    })
}

/// Returns what of the server a statement changes.
fn changes(statement: &str, own: &[&str]) -> Option<&'static str> {
    let mut words = scan::words(statement);
    let mut next = || words.next().unwrap_or_default().to_lowercase();
    let first = [next(), next(), next(), next()];
    let first = first.each_ref().map(String::as_str);
    let is_own = |name: &str| {
        ["current_user", "session_user", "current_role"].contains(&name)
            || own.iter().any(|own| own.eq_ignore_ascii_case(name))
    };
    match first {
        ["alter", "system", _, _] => {
            Some("it changes the settings of the server, which tests share")
        }
        ["create" | "alter" | "drop", "tablespace", _, _] => {
            Some("tablespaces belong to the server, which tests share")
        }
        ["create" | "alter" | "drop", "database", _, _] => {
            Some("it is about another database than the test's, which has a name of its own")
        }
        ["create", "subscription", _, _] => {
            Some("databases that are cloned from a template have none of its subscriptions")
        }
        ["alter", "role" | "user", name, next]
            if is_own(name) && !["set", "reset", "in"].contains(&next) =>
        {
            Some("it changes the role that tests connect as, and other tests have the same role")
        }
        // The body of a function is another thing.
        ["create", ..] => None,
        _ if scan::words(statement).any(makes_slot) => {
            Some("replication slots belong to the server, which tests share")
        }
        _ => None,
    }
}

fn makes_slot(word: &str) -> bool {
    let part = |range| word.get(range).unwrap_or_default();
    let ends = word.len().saturating_sub("_replication_slot".len());
    part(ends..word.len()).eq_ignore_ascii_case("_replication_slot")
        && (part(0.."pg_create_".len()).eq_ignore_ascii_case("pg_create_")
            || part(0.."pg_copy_".len()).eq_ignore_ascii_case("pg_copy_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(script: &str) -> bool {
        forbidden(script, &["postgres", "shop"]).is_some()
    }

    #[test]
    fn statements_that_change_the_server_are_refused() {
        for script in [
            "ALTER ROLE CURRENT_USER PASSWORD 'x'",
            "alter user postgres with nologin",
            "ALTER ROLE \"postgres\" CONNECTION LIMIT 0",
            "ALTER ROLE Shop VALID UNTIL '2000-01-01'",
            "ALTER USER session_user NOSUPERUSER NOCREATEDB",
            "ALTER ROLE postgres RENAME TO root",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE TABLESPACE fast LOCATION '/fast'",
            "CREATE SUBSCRIPTION news CONNECTION '' PUBLICATION news",
            "ALTER DATABASE postgres SET work_mem = '1MB'",
            "SELECT pg_create_physical_replication_slot('a')",
            "DO $$ BEGIN PERFORM pg_create_logical_replication_slot('a', 'b'); END $$",
        ] {
            assert!(is_refused(script), "{script}");
        }
    }

    #[test]
    fn what_belongs_to_the_database_or_to_roles_of_its_own_is_not_refused() {
        for script in [
            "ALTER ROLE CURRENT_USER SET search_path = shop",
            "ALTER ROLE CURRENT_USER IN DATABASE x SET work_mem = '1MB'",
            "ALTER ROLE postgres RESET ALL",
            "ALTER ROLE reader PASSWORD 'x'",
            "ALTER USER MAPPING FOR postgres SERVER s OPTIONS (SET user 'x')",
            "CREATE ROLE reader; GRANT reader TO CURRENT_USER",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$
                 SELECT pg_create_physical_replication_slot('a') $$",
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
            "CREATE TABLE a (system text); -- ALTER SYSTEM",
        ] {
            assert!(!is_refused(script), "{script}");
        }
    }

    #[test]
    fn the_error_names_the_file_the_line_and_the_way_out() {
        let script = Script {
            kind: "migration",
            source: "migrations/0002_settings.sql".to_owned(),
            text: "SELECT 1;\n\nALTER SYSTEM RESET ALL;".to_owned(),
        };
        let report = refuse(&[script], &[]).map_or_else(|error| error.report(), |()| String::new());
        for part in [
            "apply the migration migrations/0002_settings.sql, line 3",
            "it changes the settings of the server",
            "ALTER SYSTEM RESET ALL",
            "isolation = \"server\"",
        ] {
            assert!(report.contains(part), "{report}");
        }
    }
}
