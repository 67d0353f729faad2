//! SQL text: quoting of names, the place of an error in a script, and what a script does.

use sqlx::postgres::PgDatabaseError;

use super::scan::{statements, words};

/// Quotes one identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string constant.
pub(super) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Where in a script an error happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Position<'a> {
    /// Line of the script, counted from 1.
    pub(super) line: usize,
    /// The statement at fault.
    pub(super) statement: &'a str,
}

/// Returns the place that the server's error names, if it names one in the script itself.
pub(super) fn position_of<'a>(script: &'a str, error: &PgDatabaseError) -> Option<Position<'a>> {
    match error.position()? {
        sqlx::postgres::PgErrorPosition::Original(at) => Some(position(script, at)),
        sqlx::postgres::PgErrorPosition::Internal { .. } => None,
    }
}

/// The place of a position counted in characters from 1, as the server does.
fn position(script: &str, position: usize) -> Position<'_> {
    let offset = script
        .char_indices()
        .nth(position.saturating_sub(1))
        .map_or(script.len(), |(offset, _)| offset);
    let statement = statements(script)
        .into_iter()
        .find(|range| offset < range.end)
        .map_or("", |range| script[range].trim());
    Position {
        line: 1 + script[..offset].matches('\n').count(),
        statement,
    }
}

/// The `index`-th statement of a script, with the line that it starts on.
pub(super) fn statement(script: &str, index: usize) -> Option<Position<'_>> {
    positions(script).nth(index)
}

/// Returns the statements of a script, each with the line that it starts on.
pub(super) fn positions(script: &str) -> impl Iterator<Item = Position<'_>> {
    let (mut line, mut counted) = (1, 0);
    statements(script).into_iter().map(move |range| {
        line += script[counted..range.start].matches('\n').count();
        counted = range.start;
        Position {
            line,
            statement: script[range].trim(),
        }
    })
}

/// The statement of a script that has no other, with the line that it starts on.
pub(super) fn only_statement(script: &str) -> Option<Position<'_>> {
    let mut positions = positions(script);
    positions.next().filter(|_| positions.next().is_none())
}

/// Words whose value changes from one moment to the next.
const VOLATILE: [&str; 21] = [
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "gen_random_uuid",
    "gen_random_bytes",
    "gen_salt",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v4",
];

/// Words of statements that write rows.
const WRITES: [&str; 5] = ["insert", "update", "copy", "merge", "into"];

/// Letters that those words have, one of which is rare: each test looks for them in all scripts. To
/// look for one letter is compiled with optimisations also where the test is not.
const LETTERS_OF_VOLATILE: [(&str, char); 10] = [
    ("now", 'w'),
    ("tomorrow", 'w'),
    ("day", 'y'),
    ("current_", 'c'),
    ("localtime", 'm'),
    ("_timestamp", 'p'),
    ("random", 'm'),
    ("gen_salt", 'g'),
    ("uuidv", 'v'),
    ("uuid_generate", 'g'),
];
const LETTERS_OF_WRITES: [(&str, char); 5] = [
    ("update", 'p'),
    ("copy", 'y'),
    ("insert", 's'),
    ("merge", 'm'),
    ("into", 'o'),
];

/// Returns whether a script names something whose value changes from one moment to the next.
pub(super) fn is_volatile(script: &str) -> bool {
    let letters = script.to_ascii_lowercase();
    has_letters(&letters, &LETTERS_OF_VOLATILE) && has_word(script, &VOLATILE)
}

/// Returns whether a script writes rows and names something volatile: the rows may have it.
pub(super) fn writes_volatile(script: &str) -> bool {
    let letters = script.to_ascii_lowercase();
    has_letters(&letters, &LETTERS_OF_WRITES)
        && has_letters(&letters, &LETTERS_OF_VOLATILE)
        && has_word(script, &WRITES)
        && has_word(script, &VOLATILE)
}

fn has_word(script: &str, names: &[&str]) -> bool {
    words(script).any(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

/// Returns whether a script in lower case has these letters somewhere.
fn has_letters(script: &str, letters: &[(&str, char)]) -> bool {
    letters.iter().any(|&(letters, rare)| {
        let before = letters.find(rare).unwrap_or_default();
        let mut found = script.match_indices(rare);
        found.any(|(at, _)| {
            let start = at.checked_sub(before);
            start.is_some_and(|start| script.as_bytes()[start..].starts_with(letters.as_bytes()))
        })
    })
}

/// Returns whether a statement changes what belongs to the server rather than to a database.
pub(super) fn is_of_server(statement: &str) -> bool {
    const OF_SERVER: [[&str; 2]; 7] = [
        ["create", "role"],
        ["create", "user"],
        ["create", "group"],
        ["create", "tablespace"],
        ["create", "database"],
        ["create", "subscription"],
        ["alter", "system"],
    ];
    let mut all = words(statement);
    let first = [all.next().unwrap_or(""), all.next().unwrap_or("")];
    let is = |known: &[&str; 2]| {
        let mut pairs = known.iter().zip(first);
        pairs.all(|(known, word)| word.eq_ignore_ascii_case(known))
    };
    let slot = |word: &str| word.to_lowercase().ends_with("_replication_slot");
    OF_SERVER.iter().any(is) || words(statement).any(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters_counted_from_one() {
        let script = "-- ä\nSELECT 1;\nSELEC 2;\n";
        let at = script.chars().position(|c| c == '2').unwrap() + 1 - 6;
        assert_eq!(
            position(script, at),
            Position {
                line: 3,
                statement: "SELEC 2"
            }
        );
    }

    #[test]
    fn statements_know_their_lines() {
        assert_eq!(
            statement("A;\n\n B;", 1),
            Some(Position {
                line: 3,
                statement: "B"
            })
        );
        assert_eq!(statement("A;", 1), None);
    }

    #[test]
    fn names_and_strings_are_quoted() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\b"), r" E'a\\b'");
    }

    #[test]
    fn each_word_has_letters_that_are_looked_for() {
        assert!(
            VOLATILE
                .iter()
                .all(|word| has_letters(word, &LETTERS_OF_VOLATILE))
        );
        assert!(
            WRITES
                .iter()
                .all(|word| has_letters(word, &LETTERS_OF_WRITES))
        );
        assert!(!has_letters("noW no w ow", &LETTERS_OF_VOLATILE));
    }

    #[test]
    fn scripts_that_read_the_clock_are_volatile() {
        for volatile in [
            "INSERT INTO a VALUES (now())",
            "INSERT INTO a VALUES ('now'::timestamptz)",
            "INSERT INTO a SELECT Current_Date + 1",
            "SELECT gen_random_uuid()",
        ] {
            assert!(is_volatile(volatile), "{volatile}");
        }
        for stable in [
            "INSERT INTO a VALUES (1) -- now() and then",
            "/* random */ SELECT 1",
            "INSERT INTO known VALUES ('nowhere')",
        ] {
            assert!(!is_volatile(stable), "{stable}");
        }
        assert!(writes_volatile("insert into a values (Now())"));
        assert!(!writes_volatile(
            "CREATE TABLE a (b timestamptz DEFAULT now())"
        ));
    }

    #[test]
    fn statements_on_the_server_are_told_from_those_on_the_database() {
        for of_server in [
            "CREATE ROLE reader",
            "-- first\nalter system SET work_mem = '1MB'",
            "SELECT pg_create_logical_replication_slot('a', 'b')",
        ] {
            assert!(is_of_server(of_server), "{of_server}");
        }
        assert!(!is_of_server("CREATE TABLE role ()"));
    }
}
