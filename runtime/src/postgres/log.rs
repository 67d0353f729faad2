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

#[cfg(test)]
mod tests {
    use super::lines_of;

    #[test]
    fn a_session_that_was_given_on_logs_under_the_name_it_began_with() {
        let before = "2026-11-25 10:00:00.100 UTC [7] ct_a_1 ERROR:  of the test before\n";
        let own = "2026-11-25 10:00:00.300 UTC [7] ct_a_1 ERROR:  in the kept session\n\
                   \tsecond line\n\
                   2026-11-25 10:00:00.400 UTC [9] ct_a_2 ERROR:  in a session of its own\n";
        let other = "2026-11-25 10:00:00.500 UTC [8] ct_a_22 ERROR:  of another test\n\
                     \tsecond line\n";
        let log = format!("{before}{own}{other}");
        let lines = lines_of(&log, ["ct_a_2", "ct_a_1"], "2026-11-25 10:00:00.200");
        assert_eq!(lines, own);
    }
}
