//! The version of a server program.

use std::path::Path;
use std::process::{Command, Stdio};

use super::programs::Programs;
use crate::config::programs_variable;
use crate::{Error, Result};

/// Returns an error if the program is too old. One that does not say its version is not refused.
///
/// To be asked after a failed start: asking at every start would cost more than it helps.
pub(super) fn check(service: &str, programs: &Programs) -> Result<()> {
    let local = programs.local();
    if let Some(data) = local.data {
        data.check_version(programs.server())?;
    }
    let Some((prefix, oldest)) = local.oldest else {
        return Ok(());
    };
    let text = said(programs.server()).unwrap_or_default();
    match version(&text, prefix) {
        Some(version) if version < oldest => {
            let (major, minor) = oldest;
            let variable = programs_variable(service);
            Err(Error::new(format!("start {}", programs.server().display()))
                .because(format!(
                    "this is `{text}`; version {major}.{minor} and newer are supported"
                ))
                .with_help(format!(
                    "install a newer one ({}), or set {variable} to the directory of one",
                    local.install
                )))
        }
        _ => Ok(()),
    }
}

/// Returns what a program says when it is asked for its version.
pub(super) fn said(program: &Path) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = String::from_utf8_lossy(&output.ok()?.stdout)
        .trim()
        .to_owned();
    (!said.is_empty()).then_some(said)
}

/// Returns the major and minor version in what a program says.
fn version(text: &str, prefix: &str) -> Option<(u32, u32)> {
    let number = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(prefix))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let end = number.find(|character: char| !character.is_ascii_digit() && character != '.');
    let mut parts = number[..end.unwrap_or(number.len())].split('.');
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().map_or(Ok(0), str::parse).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        for (text, prefix, expected) in [
            ("Cache server v=7.0.15 sha=0:0 bits=64", "v=", Some((7, 0))),
            ("Other server v=8.1.1 sha=0:0 bits=64", "v=", Some((8, 1))),
            ("nats-server: v2.10", "v", Some((2, 10))),
            ("server 17rc1", "", Some((17, 0))),
            ("something else", "v=", None),
            ("server version v=x", "v=", None),
        ] {
            assert_eq!(version(text, prefix), expected, "{text}");
        }
    }
}
