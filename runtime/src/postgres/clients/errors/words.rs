//! An error of a server in words.

/// Returns what a server has said, without the line of its own source.
pub(in crate::postgres) fn words(
    message: &str,
    code: Option<&str>,
    detail: Option<&str>,
    hint: Option<&str>,
) -> String {
    let mut text = message.to_owned();
    text.extend(code.map(|code| format!(" (SQLSTATE {code})")));
    for (name, more) in [("detail", detail), ("hint", hint)] {
        text.extend(more.map(|more| format!("\n{name}: {more}")));
    }
    text
}
