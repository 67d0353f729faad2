//! What only psql can run: its own commands, and data between statements.

use super::sql::{self, Position};

/// Something in a script that is no SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForPsql<'a> {
    /// A line such as `\connect shop`.
    Command(Position<'a>),
    /// `COPY … FROM stdin`, whose data follow in the script.
    Data(Position<'a>),
}

/// Returns the first thing in a script that is for psql.
pub(super) fn first(script: &str) -> Option<ForPsql<'_>> {
    let command = command(script);
    let before = command.map_or(script.len(), |(at, _)| at);
    let copy = sql::statements(&script[..before])
        .into_iter()
        .find(|range| {
            let words = sql::words(&script[range.clone()]).filter(|word| !word.is_empty());
            let words: Vec<String> = words.map(str::to_lowercase).collect();
            let from_stdin = |pair: &[String]| pair[0] == "from" && pair[1] == "stdin";
            words.first().is_some_and(|word| word == "copy") && words.windows(2).any(from_stdin)
        });
    match copy {
        Some(range) => Some(ForPsql::Data(position(script, range.start, &script[range]))),
        None => command.map(|(at, line)| ForPsql::Command(position(script, at, line))),
    }
}

/// Returns the first line outside of quotes and comments that begins with a backslash, and where.
fn command(script: &str) -> Option<(usize, &str)> {
    let mut at = 0;
    while at < script.len() {
        let (rest, before) = (&script[at..], &script[..at]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        if rest.starts_with('\\') && line.trim().is_empty() {
            return Some((at, rest.lines().next().unwrap_or_default().trim()));
        }
        let length = sql::comment(rest);
        at += length.unwrap_or_else(|| sql::token(rest, before.chars().next_back()));
    }
    None
}

fn position<'a>(script: &str, at: usize, statement: &'a str) -> Position<'a> {
    Position {
        line: 1 + script[..at].matches('\n').count(),
        statement: statement.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_psql_are_found() {
        let found = first("-- \\not this\nSELECT '\\n\n\\nor this';\n  \\connect shop\n\\i x");
        let (line, statement) = (4, "\\connect shop");
        assert_eq!(found, Some(ForPsql::Command(Position { line, statement })));
        assert_eq!(first("SELECT E'a\\'\n\\b' || $$\n\\c$$ /*\n\\d*/;"), None);
        assert_eq!(first("SELECT a\\b"), None, "in the middle of a line");
    }

    #[test]
    fn data_for_copy_are_found() {
        let script = "CREATE TABLE a (b int);\nCOPY public.a (b) FROM stdin;\n1\n\\.\n";
        let (line, statement) = (2, "COPY public.a (b) FROM stdin");
        assert_eq!(
            first(script),
            Some(ForPsql::Data(Position { line, statement }))
        );
        for sql in [
            "COPY a FROM '/tmp/stdin'",
            "COPY a TO stdout",
            "SELECT 'COPY a FROM stdin'",
            "INSERT INTO copies SELECT * FROM stdin",
        ] {
            assert_eq!(first(sql), None, "{sql}");
        }
    }
}
