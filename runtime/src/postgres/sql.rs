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

/// What a piece of SQL text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    Comment,
    Semicolon,
    /// A string, a quoted name, or a body between dollar signs.
    Quoted,
    /// Letters, digits and underscores.
    Word,
    /// Any other character.
    Other,
}

/// Returns the pieces of a script, with the place where each one begins.
///
/// It goes by bytes as far as it can: every process reads all scripts, and mostly without the
/// compiler's optimisations.
pub(super) fn pieces(script: &str) -> impl Iterator<Item = (Kind, usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let (kind, length) = piece(script, start)?;
        at += length;
        Some((kind, start, &script[start..at]))
    })
}

/// Returns what the piece at a place is, and its length; nothing at the end.
fn piece(script: &str, at: usize) -> Option<(Kind, usize)> {
    let bytes = script.as_bytes();
    let first = *bytes.get(at)?;
    let next = bytes.get(at + 1).copied();
    let rest = || &script[at..];
    Some(match (first, next) {
        (b'-', Some(b'-')) => {
            let end = rest().find('\n');
            (Kind::Comment, end.unwrap_or(bytes.len() - at))
        }
        (b'/', Some(b'*')) => (Kind::Comment, block_comment(&bytes[at..])),
        (b';', _) => (Kind::Semicolon, 1),
        (b'\'', _) => {
            let backslashes = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
            (Kind::Quoted, quoted_length(rest(), '\'', backslashes))
        }
        (b'"', _) => (Kind::Quoted, quoted_length(rest(), '"', false)),
        (b'$', _) if !script[..at].ends_with(is_of_word) => match dollar_quoted_length(rest()) {
            Some(length) => (Kind::Quoted, length),
            None => (Kind::Other, 1),
        },
        _ => match kind_at(script, at)? {
            (Kind::Other, length) => (Kind::Other, length),
            (kind, _) => (kind, run(script, at, kind)),
        },
    })
}

/// Returns the length of what is all of one kind from a place on.
fn run(script: &str, at: usize, kind: Kind) -> usize {
    let mut end = at;
    while let Some((next, length)) = kind_at(script, end)
        && next == kind
    {
        end += length;
    }
    end - at
}

/// Returns what the character at a place is if nothing is quoted, and its length.
fn kind_at(script: &str, at: usize) -> Option<(Kind, usize)> {
    let byte = *script.as_bytes().get(at)?;
    Some(match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => (Kind::Word, 1),
        b' ' | b'\t'..=b'\r' => (Kind::Space, 1),
        0..=0x7f => (Kind::Other, 1),
        _ => {
            let character = script[at..].chars().next()?;
            let kind = if is_of_word(character) {
                Kind::Word
            } else if character.is_whitespace() {
                Kind::Space
            } else {
                Kind::Other
            };
            (kind, character.len_utf8())
        }
    })
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the statements of a script as ranges of bytes, without their semicolons; empty ones are left
/// out, and so are comments before a statement.
pub(super) fn statements(script: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    for (kind, at, _) in pieces(script) {
        match kind {
            Kind::Semicolon => ranges.extend(start.take().map(|start| start..at)),
            Kind::Space | Kind::Comment => {}
            Kind::Quoted | Kind::Word | Kind::Other => {
                start.get_or_insert(at);
            }
        }
    }
    ranges.extend(start.map(|start| start..script.len()));
    ranges
}

/// Returns the length of the comment that the text starts with; comments nest.
fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the length of the quoted thing that the text starts with.
fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut at = 1;
    let ends = |c: char| c == quote || (c == '\\' && backslashes);
    while let Some(found) = text.get(at..).and_then(|text| text.find(ends)) {
        at += found + 1;
        if text.as_bytes()[at - 1] != b'\\' {
            // A doubled quote starts a token of its own right here, which is just as well.
            return at;
        }
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    text.len()
}

fn dollar_quoted_length(text: &str) -> Option<usize> {
    let end = 1 + text[1..].find(|c: char| !is_of_word(c))?;
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
    let mut words = words(statement);
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

/// Returns the words of a script outside of comments; those in quotes are among them.
pub(super) fn words(script: &str) -> impl Iterator<Item = &str> {
    pieces(script).flat_map(|(kind, _, text)| {
        let (word, quoted) = match kind {
            Kind::Word => (Some(text), ""),
            Kind::Quoted => (None, text),
            _ => (None, ""),
        };
        word.into_iter().chain(words_of(quoted))
    })
}

/// Returns the words of a text that has no quotes or comments.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some((kind, length)) = kind_at(text, at)
            && kind != Kind::Word
        {
            at += length;
        }
        let start = at;
        at += run(text, start, Kind::Word);
        (at > start).then(|| &text[start..at])
    })
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
