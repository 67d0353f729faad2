//! Room on file systems.

use std::path::Path;
use std::process::{Command, Stdio};

/// Returns how many bytes are free where a directory is, or will be; nothing if that cannot be found
/// out.
pub(crate) fn free(directory: &Path) -> Option<u64> {
    let existing = directory.ancestors().find(|directory| directory.exists())?;
    let output = Command::new("df")
        .arg("-Pk")
        .arg(existing)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let free = text.lines().nth(1)?.split_whitespace().nth(3)?;
    Some(free.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let directory = tempfile::tempdir().expect("a directory");
        let below = directory.path().join("a/b");
        assert!(free(&below).is_some_and(|free| free > 0));
        assert_eq!(free(Path::new("")), None);
    }
}
