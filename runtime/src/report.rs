//! What people are told.

use std::io::Write;

/// Says what takes long, past the output capture of the test harness.
pub(crate) fn progress(text: &str) {
    // If this fails, there is no terminal to write to.
    let _ = writeln!(std::io::stderr(), "container-test: {text}");
}

/// Says one fact about a failed test, within the output of the test.
pub(crate) fn failed_test(fact: &str) {
    eprintln!("container-test: {}", fact.trim_end().replace('\n', "\n  "));
}

/// Repeats what a server logged about a failed test.
pub(crate) fn server_log(service: &str, log: &str) {
    if !log.trim().is_empty() {
        eprintln!(
            "container-test: {service} logged about this test:\n{}",
            log.trim_end()
        );
    }
}
