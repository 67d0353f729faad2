//! The gate of a server: it starts before the server's data are prepared, and becomes the server
//! afterwards.
//!
//! The server's arguments and environment may have its password, which is known only then, and they
//! are not for other users' eyes before they must be: they are in a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use crate::lifecycle::{Owner, private};
use crate::{Error, Result};

/// Becomes the server once its data are prepared. If this process ends before, so does the gate, as
/// soon as the programs that prepare the data have ended, which hold its input open as well; then
/// the watchdog removes what is there of the data. It is called as `sh -c GATE gate FILE`.
pub(super) const GATE: &str = "read -r _ <&3 && exec 3<&- && . \"$1\"";

/// Returns the file in a server's directory that says how the server is started.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join(".start")
}

/// Lets the gate start the server.
pub(super) fn open(
    mut gate: ChildStdin,
    directory: &Path,
    owner: &Owner,
    program: &Path,
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<()> {
    let script = script(program, arguments, environment)?;
    private::write(&file(directory), &script, owner)?;
    gate.write_all(b"go\n")
        .map_err(|error| Error::new(format!("start {}", program.display())).because(error))
}

/// Returns a shell script that becomes the server.
fn script(
    program: &Path,
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<String> {
    let mut lines = Vec::new();
    for (name, value) in environment {
        if !is_variable(name) {
            return Err(Error::new(format!("start {}", program.display()))
                .because(format!("`{name}` cannot be the name of a variable"))
                .with_help("use letters, digits and underscores"));
        }
        lines.push(format!("export {name}={}", quoted(value)));
    }
    let program = program.display().to_string();
    let words: Vec<String> = [&program]
        .into_iter()
        .chain(arguments)
        .map(|word| quoted(word))
        .collect();
    lines.push(format!("exec {}\n", words.join(" ")));
    Ok(lines.join("\n"))
}

fn is_variable(name: &str) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(part)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
}

/// Returns a word that the shell reads as this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn arguments_and_environment_arrive_as_they_are() {
        let odd = "it's $HOME\n `x` \\ \"ö\" *";
        let arguments = ["-c", "printf %s \"$ODD$1\"", "sh", odd].map(str::to_owned);
        let environment = [("ODD".to_owned(), odd.to_owned())];
        let script = script(Path::new("/bin/sh"), &arguments, &environment).unwrap();
        let output = Command::new("/bin/sh").args(["-c", &script]).output();
        let printed = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(printed, format!("{odd}{odd}"));
    }

    #[test]
    fn names_that_are_no_variables_are_refused() {
        for name in ["", "1A", "A B", "A;false", "A.B"] {
            let environment = [(name.to_owned(), String::new())];
            let report = script(Path::new("/bin/sh"), &[], &environment);
            let report = report.unwrap_err().report();
            assert!(report.contains(&format!("`{name}`")), "{report}");
        }
    }
}
