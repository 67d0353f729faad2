//! Settings and version of redis-server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::random;
use super::directory::{self, Owner};
use super::programs::Programs;
use crate::{Error, Result};

/// The oldest version that is supported, of Redis and of Valkey.
const OLDEST: (u32, u32) = (6, 2);

/// The server's arguments.
pub(super) fn arguments(directory: &Path) -> Vec<String> {
    vec![settings_file(directory).display().to_string()]
}

/// Settings are in a file, since everybody can read a process's arguments.
fn settings_file(directory: &Path) -> PathBuf {
    directory.join("redis.conf")
}

/// Writes the settings; gives the password.
pub(super) fn prepare(
    arguments: &[String],
    owner: &Owner,
    directory: &Path,
    port: u16,
) -> Result<String> {
    let password = random()?;
    let port = port.to_string();
    let home = directory.display().to_string();
    let settings = ["--bind", "127.0.0.1", "--port", &port, "--dir", &home].map(str::to_owned);
    let all = settings.into_iter().chain(arguments.iter().cloned());
    let text = lines(all).replace("{password}", &password);
    directory::write_private(&settings_file(directory), &text, owner)?;
    Ok(password)
}

/// Arguments of redis-server as lines of a settings file.
fn lines(arguments: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for argument in arguments {
        if let Some(name) = argument.strip_prefix("--") {
            text.push('\n');
            text.push_str(name);
        } else {
            text.push_str(" \"");
            text.push_str(&argument.replace('\\', "\\\\").replace('"', "\\\""));
            text.push('"');
        }
    }
    text.push('\n');
    text
}

/// Refuses too old a server; one that does not say its version is not refused.
pub(super) fn check_version(programs: &Programs) -> Result<()> {
    let output = Command::new(programs.server())
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let text = text.unwrap_or_default();
    match version(&text) {
        Some(version) if version < OLDEST => {
            let (major, minor) = OLDEST;
            Err(Error::new(format!("start {}", programs.server().display()))
                .because(format!(
                    "this is `{text}`; Redis and Valkey {major}.{minor} and newer are supported"
                ))
                .with_help(
                    "install a newer one, or set CONTAINER_TEST_REDIS_BIN to the directory of one",
                ))
        }
        _ => Ok(()),
    }
}

/// Major and minor version, as in `Redis server v=7.0.15 sha=…`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    let mut parts = number.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_say() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(version(redis), Some((7, 0)));
        let valkey = "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(version(valkey), Some((8, 1)));
        assert_eq!(version("something else"), None);
    }
}
