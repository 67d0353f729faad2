//! What the server's log has about one database.

/// Returns the lines of a log about a database since a time, under either of its names.
pub(super) fn lines_of(log: &str, names: [&str; 2], since: &str) -> String {
    let tags = names.map(|name| format!(" {name} "));
    let mut ours = false;
    let mut text = String::new();
    for line in log.lines() {
        // Lines of a message after its first have no prefix.
        ours = if line.starts_with('\t') {
            ours
        } else {
            line >= since && tags.iter().any(|tag| line.contains(tag))
        };
        if ours {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
