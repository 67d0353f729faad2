//! What people are told.

use std::io::Write;

/// Says what takes long, past the output capture of the test harness.
pub(crate) fn progress(text: &str) {
    // Nobody is there to read it if this fails.
    let _ = writeln!(std::io::stderr(), "container-test: {text}");
}

/// Says what a failed test ran on, within the output of the test.
pub(crate) fn failure(places: &[String], kept: &[String], server_log: &str) {
    for place in places {
        eprintln!("container-test: ran on {place}");
    }
    for url in kept {
        eprintln!("container-test: kept for you: {url}");
    }
    if !server_log.trim().is_empty() {
        eprintln!(
            "container-test: the server logged about this test:\n{}",
            server_log.trim_end()
        );
    }
}
