//! The directories that server programs are looked for in.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::service::LocalProgram;

/// Where programs are that say nothing else.
const SYSTEM: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/usr/sbin"];

/// Where Homebrew puts programs.
const HOMEBREW: [&str; 3] = [
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
];

/// Where Nix puts programs, besides the user's profile.
const NIX: [&str; 2] = [
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
];

/// Returns the directories that a program may be in, after those in `PATH`.
pub(super) fn candidates(config: &Config, local: &LocalProgram) -> Vec<PathBuf> {
    let own = if local.directories.is_empty() {
        &SYSTEM
    } else {
        local.directories
    };
    let mut directories: Vec<PathBuf> = own.iter().flat_map(|pattern| expand(pattern)).collect();
    directories.extend(HOMEBREW.map(PathBuf::from));
    directories.extend(config.home().map(|home| home.join(".nix-profile/bin")));
    directories.extend(NIX.map(PathBuf::from));
    directories
}

/// Returns the directories that a pattern stands for: `*` is a version number in one of the path's
/// components. The newest version comes first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let (suffix, below) = match after.split_once('/') {
        Some((suffix, below)) => (suffix, Some(below)),
        None => (after, None),
    };
    let parent = if parent.is_empty() { "/" } else { parent };
    let mut versions: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(Path::new(parent))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            let numbers = version.split('.').map(|number| number.parse().ok());
            let directory = match below {
                Some(below) => entry.path().join(below),
                None => entry.path(),
            };
            Some((numbers.collect::<Option<_>>()?, directory))
        })
        .collect();
    versions.sort_by_key(|(version, _)| Reverse(version.clone()));
    versions.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "13", "13.2", "13.10", "pgsql-16", "pgsql-9", "other"] {
            fs::create_dir_all(root.path().join(name).join("bin")).unwrap();
        }
        let expanded = |pattern: &str| -> Vec<String> {
            let pattern = format!("{}/{pattern}", root.path().display());
            let relative = |path: PathBuf| {
                let path = path.strip_prefix(root.path()).unwrap().to_owned();
                path.into_os_string().into_string().unwrap()
            };
            expand(&pattern).into_iter().map(relative).collect()
        };
        assert_eq!(
            expanded("*/bin"),
            ["13.10/bin", "13.2/bin", "13/bin", "9/bin"]
        );
        assert_eq!(expanded("pgsql-*/bin"), ["pgsql-16/bin", "pgsql-9/bin"]);
        assert_eq!(expanded("pgsql-*"), ["pgsql-16", "pgsql-9"]);
        assert_eq!(expanded("missing/*/bin"), [""; 0]);
        assert_eq!(expanded("other/bin"), ["other/bin"]);
    }

    #[test]
    fn directories_of_package_managers_come_last() {
        let config = Config::with(&[("HOME", "/home/ada")]);
        let mut local = LocalProgram::new(&["nats-server"], "`apt install nats-server`");
        let usual = candidates(&config, &local);
        assert_eq!(usual[0], Path::new("/usr/bin"));
        local.directories = &["/opt/nats/bin"];
        let given = candidates(&config, &local);
        assert_eq!(given[0], Path::new("/opt/nats/bin"));
        assert!(given.contains(&"/home/ada/.nix-profile/bin".into()));
        assert_eq!(given[1..], usual[3..]);
    }
}
