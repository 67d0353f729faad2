//! SQL text: quoting of names, and the place of an error in a script.

use sqlx::postgres::PgDatabaseError;

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
    let range = statements(script).into_iter().nth(index)?;
    let text = &script[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    Some(Position {
        line: 1 + script[..start].matches('\n').count(),
        statement: text.trim(),
    })
}

/// The statement of a script that has no other, with the line that it starts on.
pub(super) fn only_statement(script: &str) -> Option<Position<'_>> {
    (statements(script).len() == 1)
        .then(|| statement(script, 0))
        .flatten()
}

/// Returns the statements of a script as ranges of bytes, without their semicolons; empty ones are left
/// out, and so are comments before a statement.
pub(super) fn statements(script: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < script.len() {
        let rest = &script[at..];
        let first = rest.chars().next().unwrap_or('\0');
        if let Some(length) = comment(rest) {
            at += length;
        } else if first == ';' {
            ranges.extend(start.take().map(|start| start..at));
            at += 1;
        } else if first.is_whitespace() {
            at += first.len_utf8();
        } else {
            start.get_or_insert(at);
            at += token(rest, script[..at].chars().next_back());
        }
    }
    ranges.extend(start.map(|start| start..script.len()));
    ranges
}

/// The length of the comment that the text starts with.
pub(super) fn comment(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    // Comments nest.
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The length of the quoted thing, or of the single character, that the text starts with.
pub(super) fn token(text: &str, before: Option<char>) -> usize {
    let first = text.chars().next().unwrap_or('\0');
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    match first {
        '\'' => quoted_length(text, '\'', matches!(before, Some('e' | 'E'))),
        '"' => quoted_length(text, '"', false),
        '$' if !in_word => dollar_quoted_length(text).unwrap_or(1),
        _ => first.len_utf8(),
    }
}

fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' && backslashes {
            characters.next();
        } else if character == quote {
            // A doubled quote starts a token of its own right here, which is just as well.
            return at + 1;
        }
    }
    text.len()
}

fn dollar_quoted_length(text: &str) -> Option<usize> {
    let end = 1 + text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    if !text[end..].starts_with('$') || text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tag = &text[..=end];
    let body = &text[tag.len()..];
    Some(body.find(tag).map_or(text.len(), |at| 2 * tag.len() + at))
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

/// Returns whether a script names something whose value changes from one moment to the next.
pub(super) fn is_volatile(script: &str) -> bool {
    words(script).any(|word| {
        VOLATILE
            .iter()
            .any(|volatile| word.eq_ignore_ascii_case(volatile))
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
    let mut words = words(statement).filter(|word| !word.is_empty());
    let first = [words.next().unwrap_or(""), words.next().unwrap_or("")];
    let is = |known: &[&str; 2]| {
        let mut pairs = known.iter().zip(first);
        pairs.all(|(known, word)| word.eq_ignore_ascii_case(known))
    };
    let slot = |word: &str| word.to_lowercase().ends_with("_replication_slot");
    OF_SERVER.iter().any(is) || self::words(statement).any(slot)
}

/// Returns whether a script writes rows.
pub(super) fn writes_rows(script: &str) -> bool {
    const WRITES: [&str; 5] = ["insert", "update", "copy", "merge", "into"];
    words(script).any(|word| WRITES.iter().any(|write| word.eq_ignore_ascii_case(write)))
}

/// Returns the words of a script outside of comments, with empty ones between them.
pub(super) fn words(script: &str) -> impl Iterator<Item = &str> {
    statements(script)
        .into_iter()
        .flat_map(|range| without_comments(&script[range]))
        .flat_map(|text| text.split(|c: char| !(c.is_alphanumeric() || c == '_')))
}

/// Returns the pieces of a statement between its comments.
fn without_comments(statement: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
    while at < statement.len() {
        let rest = &statement[at..];
        if let Some(length) = comment(rest) {
            pieces.push(&statement[start..at]);
            at += length;
            start = at;
        } else {
            let before = statement[..at].chars().next_back();
            at += token(rest, before);
        }
    }
    pieces.push(&statement[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<&str> {
        statements(script)
            .into_iter()
            .map(|range| script[range].trim())
            .collect()
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_end_a_statement() {
        let script = r#"
            -- first; comment
            CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $body$ BEGIN RETURN 'a;$$b'; END $body$;
            SELECT ';', E'\';', "a;b", $1 /* ; /* ; */ ; */;;
            SELECT 'it''s; fine'"#;
        let found = texts(script);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("CREATE FUNCTION") && found[0].ends_with("$body$"));
        assert!(found[1].starts_with("SELECT ';'"));
        assert_eq!(found[2], "SELECT 'it''s; fine'");
    }

    #[test]
    fn unfinished_quotes_reach_to_the_end() {
        assert_eq!(texts("SELECT 'a; SELECT 1"), ["SELECT 'a; SELECT 1"]);
        assert_eq!(texts("SELECT $x$ a; b"), ["SELECT $x$ a; b"]);
        assert_eq!(texts("/* a; b"), [""; 0]);
    }

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
        assert!(writes_rows("insert into a values (1)"));
        assert!(!writes_rows("CREATE TABLE a (b timestamptz DEFAULT now())"));
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
