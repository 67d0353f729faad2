//! What commands print.

use std::io::{ErrorKind, Write, stdout};

use container_test::{Error, Result};
use serde_json::Value;

/// Prints to a reader that may have read enough, such as `head`.
pub(crate) fn say(text: &str) -> Result<()> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new("print").because(error))
        }
        _ => Ok(()),
    }
}

/// Prints what a command has found, for programs: one object.
pub(crate) fn say_json(found: &Value) -> Result<()> {
    say(&format!("{found:#}\n"))
}
