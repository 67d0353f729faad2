//! What the server's log has about one database.

/// Returns the lines of a log about a database since a time.
pub(super) fn lines_of(log: &str, database: &str, since: &str) -> String {
    let tag = format!(" {database} ");
    let mut ours = false;
    let mut text = String::new();
    for line in log.lines() {
        // Lines of a message after its first have no prefix.
        ours = if line.starts_with('\t') {
            ours
        } else {
            line.contains(&tag) && line >= since
        };
        if ours {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
