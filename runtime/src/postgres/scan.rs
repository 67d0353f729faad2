//! The pieces of SQL text: statements, words, comments.

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
    let bytes = script.as_bytes();
    let mut end = at;
    loop {
        // Without optimisations a call costs ten times as much as a look into a table.
        while end < bytes.len() && KINDS[bytes[end] as usize] == kind as u8 {
            end += 1;
        }
        match kind_at(script, end) {
            Some((next, length)) if next == kind => end += length,
            _ => return end - at,
        }
    }
}

/// What each ASCII character is if nothing is quoted.
const KINDS: [u8; 256] = {
    let mut kinds = [u8::MAX; 256];
    let mut byte = 0;
    while byte < 0x80 {
        kinds[byte as usize] = kind_of_ascii(byte) as u8;
        byte += 1;
    }
    kinds
};

const fn kind_of_ascii(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => Kind::Word,
        b' ' | b'\t'..=b'\r' => Kind::Space,
        _ => Kind::Other,
    }
}

/// Returns what the character at a place is if nothing is quoted, and its length.
fn kind_at(script: &str, at: usize) -> Option<(Kind, usize)> {
    let byte = *script.as_bytes().get(at)?;
    if byte.is_ascii() {
        return Some((kind_of_ascii(byte), 1));
    }
    let character = script[at..].chars().next()?;
    let kind = if is_of_word(character) {
        Kind::Word
    } else if character.is_whitespace() {
        Kind::Space
    } else {
        Kind::Other
    };
    Some((kind, character.len_utf8()))
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
}
