//! What only psql can run: its own commands, and data between statements.

use super::scan::{self, Kind};
use super::sql::Position;

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
    let copy = scan::statements(&script[..before])
        .into_iter()
        .find(|range| {
            let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
            let mut words = scan::words(&script[range.clone()]);
            words.next().is_some_and(|first| is(first, "copy")) && {
                let words: Vec<&str> = words.collect();
                let mut pairs = words.windows(2);
                pairs.any(|pair| is(pair[0], "from") && is(pair[1], "stdin"))
            }
        });
    match copy {
        Some(range) => Some(ForPsql::Data(position(script, range.start, &script[range]))),
        None => command.map(|(at, line)| ForPsql::Command(position(script, at, line))),
    }
}

/// Returns the first line outside of quotes and comments that begins with a backslash, and where.
fn command(script: &str) -> Option<(usize, &str)> {
    let (_, at, _) = scan::pieces(script).find(|&(kind, at, text)| {
        let line = || script[..at].rsplit('\n').next().unwrap_or_default();
        kind == Kind::Other && text == "\\" && line().trim().is_empty()
    })?;
    let line = script[at..].lines().next().unwrap_or_default();
    Some((at, line.trim()))
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
