//! Where server programs are.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::{Service, hex};
use crate::{Error, Result, config};

/// The programs of one server.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    server: PathBuf,
}

impl Programs {
    /// The server program.
    pub(crate) fn server(&self) -> &Path {
        &self.server
    }

    /// A program beside the server.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The directory that they are in.
    pub(crate) fn directory(&self) -> &Path {
        self.server.parent().unwrap_or(Path::new("/"))
    }

    /// Tells programs in different places apart.
    pub(super) fn key(&self) -> String {
        hex(&Sha256::digest(self.server.as_os_str().as_encoded_bytes())[..3])
    }
}

/// The programs of a service: in the directory that the environment names, else along `PATH`,
/// else the newest in the usual places.
pub(crate) fn find(service: Service) -> Result<Programs> {
    let (variable, names, needed): (_, &[&str], &[&str]) = match service {
        Service::Postgres => ("CONTAINER_TEST_POSTGRES_BIN", &["postgres"], &["initdb"]),
        Service::Redis => (
            "CONTAINER_TEST_REDIS_BIN",
            &["redis-server", "valkey-server"],
            &[],
        ),
    };
    let failed = |cause: String| {
        Error::new(format!("find {} on this machine", names.join(" or ")))
            .because(cause)
            .with_help(format!(
                "install it, or set {variable} to the directory that it is in"
            ))
    };
    if let Some(directory) = config::program_directory(variable) {
        return in_directory(&directory, names, needed).ok_or_else(|| {
            failed(format!(
                "{variable} is `{}`, and it is not there",
                directory.display()
            ))
        });
    }
    let usual = match service {
        Service::Postgres => usual_places_of_postgres(),
        Service::Redis => usual_places_of_redis(),
    };
    config::search_path()
        .iter()
        .chain(&usual)
        .find_map(|directory| in_directory(directory, names, needed))
        .ok_or_else(|| failed("it is neither along PATH nor in the usual places".to_owned()))
}

/// The server in a directory, with the programs that it needs beside it once links are followed.
pub(super) fn in_directory(directory: &Path, names: &[&str], needed: &[&str]) -> Option<Programs> {
    names.iter().find_map(|name| {
        let found = directory
            .join(name)
            .canonicalize()
            .ok()
            .filter(|path| path.is_file())?;
        // Debian's redis-server is a link to a program that looks at the name it is called by.
        let server = if needed.is_empty() {
            directory.join(name)
        } else {
            found
        };
        let beside = server.parent()?;
        needed
            .iter()
            .all(|name| beside.join(name).is_file())
            .then_some(Programs { server })
    })
}

fn usual_places_of_postgres() -> Vec<PathBuf> {
    let mut places = Vec::new();
    // Debian and Ubuntu; Red Hat; Postgres.app.
    places.extend(versioned("/usr/lib/postgresql", "", "bin"));
    places.extend(versioned("/usr", "pgsql-", "bin"));
    places.extend(versioned(
        "/Applications/Postgres.app/Contents/Versions",
        "",
        "bin",
    ));
    for homebrew in [
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/home/linuxbrew/.linuxbrew/opt",
    ] {
        places.extend(versioned(homebrew, "postgresql@", "bin"));
    }
    places.extend(profiles());
    places.extend(["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    places
}

fn usual_places_of_redis() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = [
        "/usr/bin",
        "/usr/local/bin",
        "/usr/sbin",
        "/opt/homebrew/bin",
        "/home/linuxbrew/.linuxbrew/bin",
    ]
    .map(PathBuf::from)
    .to_vec();
    places.extend(profiles());
    places
}

/// Nix profiles.
fn profiles() -> Vec<PathBuf> {
    let own = config::home().map(|home| home.join(".nix-profile/bin"));
    own.into_iter()
        .chain(
            [
                "/run/current-system/sw/bin",
                "/nix/var/nix/profiles/default/bin",
            ]
            .map(PathBuf::from),
        )
        .collect()
}

/// `<parent>/<prefix><version>/<below>` for every version there, the newest first.
fn versioned(parent: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name
                .strip_prefix(prefix)?
                .split('.')
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?;
            Some((version, entry.path().join(below)))
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}
