//! Finds server programs.

use std::path::{Path, PathBuf};

use super::candidates::candidates;
use crate::config::{Config, programs_variable, url_variable};
use crate::service::{LocalProgram, ServerSpec};
use crate::{Error, Result, hash};

/// The program of a server, as it is installed on this machine.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Programs {
    server: PathBuf,
    local: LocalProgram,
}

impl Programs {
    /// Returns the path of the server program.
    pub(super) fn server(&self) -> &Path {
        &self.server
    }

    /// Returns what the service says of the program.
    pub(super) fn local(&self) -> &LocalProgram {
        &self.local
    }

    /// Returns the directory that the programs are in.
    pub(in crate::provider) fn directory(&self) -> &Path {
        self.server.parent().unwrap_or(Path::new("/"))
    }

    /// Returns a text that is the same for the same programs only.
    pub(super) fn key(&self) -> String {
        hash::digest(self.server.as_os_str().as_encoded_bytes(), 3)
    }

    /// Returns the programs in a directory, if all are there once links are followed.
    pub(super) fn in_directory(directory: &Path, local: &LocalProgram) -> Option<Self> {
        local.names.iter().find_map(|name| {
            let found = directory
                .join(name)
                .canonicalize()
                .ok()
                .filter(|path| path.is_file())?;
            // Some programs are links, and behave by the name that they are called by. Only those that
            // need their neighbours are called by their real path.
            let server = if local.beside.is_empty() {
                directory.join(name)
            } else {
                found
            };
            let beside = server.parent()?;
            local
                .beside
                .iter()
                .all(|name| beside.join(name).is_file())
                .then(|| Self {
                    server,
                    local: local.clone(),
                })
        })
    }
}

/// Returns the programs of a server: from the directory that the environment names, else along
/// `PATH`, else from the usual directories, the newest version first.
pub(in crate::provider) fn find(config: &Config, spec: &ServerSpec) -> Result<Programs> {
    let variable = programs_variable(spec.service);
    let Some(local) = &spec.local else {
        return Err(Error::new(format!("find {} on this machine", spec.service))
            .because(format!("{} runs in containers only", spec.service))
            .with_help(format!(
                "start Docker and unset CONTAINER_TEST_PROVIDER, or set {} to the URL of a \
                     server for tests",
                url_variable(spec.service)
            )));
    };
    let failed = |cause: String| {
        Error::new(format!("find {} on this machine", local.names.join(" or ")))
            .because(cause)
            .with_help(format!(
                "install it ({}), or set {variable} to the directory that it is in",
                local.install
            ))
    };
    if let Some(directory) = config.variable(&variable) {
        return Programs::in_directory(Path::new(directory), local)
            .ok_or_else(|| failed(format!("{variable} is `{directory}`, and it is not there")));
    }
    config
        .search_path()
        .chain(candidates(config, local))
        .find_map(|directory| Programs::in_directory(&directory, local))
        .ok_or_else(|| failed("it is neither along PATH nor in the usual directories".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn programs_that_belong_together_are_found_where_links_lead() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["real/server", "real/helper", "linked/old"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        symlink(root.join("real/server"), root.join("linked/server")).unwrap();
        let mut local = LocalProgram::new(&["server", "old"], "`apt install server`");
        let found = Programs::in_directory(&root.join("linked"), &local).unwrap();
        assert_eq!(found.server(), root.join("linked/server"));
        local.beside = &["helper"];
        let found = Programs::in_directory(&root.join("linked"), &local).unwrap();
        assert_eq!(found.server(), root.join("real/server"));
        local.beside = &["missing"];
        assert!(Programs::in_directory(&root.join("linked"), &local).is_none());
    }
}
