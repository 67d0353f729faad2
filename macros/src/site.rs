//! Where the attribute was written: the crate, and the directories that paths are relative to.

use std::path::{Path, PathBuf};

use crate::gate;

/// Where the attribute was written.
#[derive(Debug)]
pub(crate) struct Site {
    /// Directory of the crate's `Cargo.toml`.
    pub(crate) manifest_dir: PathBuf,
    /// Directory of the source file; unknown in editors.
    pub(crate) source_dir: Option<PathBuf>,
    /// The feature that the crate's tests need, or what is wrong with the entry that names it.
    pub(crate) gate: Result<Option<String>, String>,
    /// Whether the runtime has containers of any image.
    pub(crate) containers: bool,
}

impl Site {
    /// Returns the site of the attribute that is being expanded.
    pub(crate) fn of_this_call() -> Self {
        let manifest_dir =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
        // The compiler names files relative to its working directory.
        let source_dir = proc_macro::Span::call_site()
            .local_file()
            .and_then(|file| std::path::absolute(file).ok())
            .and_then(|file| file.parent().map(Path::to_path_buf));
        let manifest = std::fs::read_to_string(manifest_dir.join("Cargo.toml")).unwrap_or_default();
        Self {
            gate: gate::read(&manifest),
            containers: cfg!(feature = "testcontainers"),
            manifest_dir,
            source_dir,
        }
    }

    /// Returns `path` as messages and expansions write it: relative to the crate if it is inside.
    pub(crate) fn display(&self, path: &Path) -> String {
        let Ok(inside) = path.strip_prefix(&self.manifest_dir) else {
            return path.display().to_string();
        };
        // One spelling on every platform, so that messages and hashes of it agree.
        inside
            .iter()
            .map(|part| part.to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    }
}
