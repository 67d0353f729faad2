//! Programs in `PATH`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::config::Config;

/// Returns a program in `PATH`.
pub(in super::super) fn find(config: &Config, name: &str) -> Option<PathBuf> {
    let mut files = config.search_path().map(|path| path.join(name));
    files.find(|file| {
        file.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}
