//! The file that all processes of a run append to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::report;

/// The file.
pub(super) struct Lines {
    file: File,
    path: PathBuf,
    /// Done once a write has failed.
    failed: Once,
}

/// Why a file cannot be used.
pub(super) struct Problem {
    pub(super) path: PathBuf,
    pub(super) cause: String,
    pub(super) help: &'static str,
}

impl Lines {
    /// Opens the file, or creates it. One process at a time does so, for as long as the kernel holds
    /// its lock: the first one writes the bracket.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let problem = |cause: String, help| Problem {
            path: path.to_owned(),
            cause,
            help,
        };
        let failed = |error: io::Error| {
            let help = "name a file that can be written, or unset the variable";
            problem(error.to_string(), help)
        };
        let mut options = File::options();
        let options = options.read(true).append(true).create(true);
        let mut file = options.open(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        let begun = begin(&mut file);
        file.unlock().map_err(failed)?;
        match begun.map_err(failed)? {
            None => Ok(Self {
                file,
                path: path.to_owned(),
                failed: Once::new(),
            }),
            Some(cause) => {
                let help = "remove the file if it is not needed, or name another one";
                Err(problem(cause.to_owned(), help))
            }
        }
    }

    /// Appends lines in one call, so that they stay together.
    pub(super) fn write(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        // The timeline has a gap then, which is no reason to fail a test.
        if let Err(error) = (&self.file).write_all(lines.as_bytes()) {
            self.failed.call_once(|| {
                let path = self.path.display();
                report::progress(&format!("failed to write the timeline {path}: {error}"));
            });
        }
    }
}

/// Makes the file ready for lines; returns why events cannot be appended to what is in it.
fn begin(file: &mut File) -> io::Result<Option<&'static str>> {
    let length = file.metadata()?.len();
    if length == 0 {
        file.write_all(b"[\n")?;
        return Ok(None);
    }
    let (mut first, mut end) = (Vec::new(), Vec::new());
    Read::by_ref(file).take(64).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(length.saturating_sub(64)))?;
    file.read_to_end(&mut end)?;
    let first = first.trim_ascii().strip_prefix(b"[");
    if !first.is_some_and(|first| matches!(first.trim_ascii().first(), None | Some(b'{'))) {
        return Ok(Some("there is something else in the file"));
    }
    match end.trim_ascii_end().last() {
        Some(b']') => Ok(Some("the list of events in the file is closed by `]`")),
        // A full disk has cut a line short.
        _ if end.last() != Some(&b'\n') => file.write_all(b"\n").map(|()| None),
        _ => Ok(None),
    }
}
