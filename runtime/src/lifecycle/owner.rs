//! The user that servers run as, and the one that this process runs as.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::config::Config;
use crate::{Error, Result, hash};

/// The user that servers run as when this process runs as root.
const UNPRIVILEGED: &str = "nobody";

/// The user that a server runs as: this process's own, or another one if that is root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    process: u32,
    server: Option<(u32, u32)>,
}

impl Owner {
    /// Returns the user that servers run as. If this process runs as root, that is the preferred
    /// user if it exists, else `nobody`: many servers refuse to run as root.
    pub(crate) fn find(config: &Config, preferred: Option<&str>) -> Result<Self> {
        let ours = Self::of_process(config)?;
        if ours.process != 0 {
            return Ok(ours);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut names = preferred.into_iter().chain([UNPRIVILEGED]);
        match names.find_map(|name| ids(&users, name)) {
            Some(ids) => Ok(Self {
                server: Some(ids),
                ..ours
            }),
            None => Err(Error::new("find a user for local servers")
                .because(format!(
                    "servers are not run as root, and there is no user `{}`",
                    preferred.unwrap_or(UNPRIVILEGED)
                ))
                .with_help("run the tests as an ordinary user, or add this user")),
        }
    }

    /// Returns the user that this process runs as.
    pub(crate) fn of_process(config: &Config) -> Result<Self> {
        Ok(Self {
            process: process_user(config)?,
            server: None,
        })
    }

    /// Returns this process's user, whatever user the server runs as.
    pub(crate) fn ours(&self) -> Self {
        Self {
            process: self.process,
            server: None,
        }
    }

    /// Returns the number of the user that this process runs as.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Returns the numbers of the server's user and group, if that is not this process's user.
    pub(crate) fn server(&self) -> Option<(u32, u32)> {
        self.server
    }

    /// Returns whether a file belongs to this process's user or to the server's.
    pub(crate) fn owns(&self, file: &Metadata) -> bool {
        let server = self.server.map(|(user, _)| user);
        file.uid() == self.process || Some(file.uid()) == server
    }

    /// Makes a command run as the server's user.
    pub(crate) fn run(&self, command: &mut Command) {
        if let Some((user, group)) = self.server {
            command.uid(user).gid(group);
        }
    }
}

/// Returns the name of the user, which keeps users of one engine apart: `uid-1000` where the
/// environment has no name, as in many containers. It is never empty.
pub(crate) fn user_name(config: &Config) -> String {
    match config.user() {
        Some(name) => name.to_owned(),
        None => match process_user(config) {
            Ok(number) => format!("uid-{number}"),
            Err(_) => "uid-unknown".to_owned(),
        },
    }
}

/// Returns the numbers of a user and its group from the text of `/etc/passwd`.
fn ids(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find(|fields| fields.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Returns the number of this process's user: the owner of the files that it creates.
fn process_user(config: &Config) -> Result<u32> {
    if let Ok(process) = fs::metadata("/proc/self") {
        return Ok(process.uid());
    }
    let name = format!("container-test-probe-{}", hash::random()?);
    let probe = config.temporary.join(name);
    let created = File::create_new(&probe).and_then(|file| file.metadata());
    let removed = fs::remove_file(&probe);
    let user = created.map(|file| file.uid());
    removed
        .and(user)
        .map_err(|error| Error::new("find out the number of this user").because(error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_user() {
        let config = Config::with(&[("LOGNAME", "ada")]);
        assert_eq!(user_name(&config), "ada");
    }

    #[test]
    fn a_user_without_a_name_in_the_environment_is_named_by_number() {
        let config = Config::with(&[]);
        let number = Owner::of_process(&config).unwrap().process();
        assert_eq!(user_name(&config), format!("uid-{number}"));
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody2:x:7:8::/:/bin/sh\nnobody:x:65534:65533::/:";
        assert_eq!(ids(users, "nobody"), Some((65534, 65533)));
        assert_eq!(ids(users, "body"), None);
    }
}
