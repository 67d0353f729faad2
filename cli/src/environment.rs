//! The variables that a command gets, and a file that has them for as long as the services run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use container_test::{Error, Result};

/// Names and values.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// A file with the variables. It is as it was before once this is dropped, unless something else has
/// changed it.
#[derive(Debug)]
pub(crate) struct EnvironmentFile {
    path: PathBuf,
    before: Option<String>,
    written: String,
}

impl EnvironmentFile {
    /// Writes the variables to a file, in place of lines that set the same.
    pub(crate) fn write(path: &Path, variables: &Variables) -> Result<Self> {
        let failed = |error| Error::new(format!("write {}", path.display())).because(error);
        let before = match fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let written = merged(before.as_deref().unwrap_or_default(), variables);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            // URLs have passwords.
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(written.as_bytes()).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            before,
            written,
        })
    }
}

impl Drop for EnvironmentFile {
    fn drop(&mut self) {
        let now = fs::read_to_string(&self.path);
        if !now.is_ok_and(|now| now == self.written) {
            return;
        }
        // What is left has URLs of servers that have ended.
        let _ = match &self.before {
            Some(before) => fs::write(&self.path, before),
            None => fs::remove_file(&self.path),
        };
    }
}

/// Returns the lines of a file with the variables in place of those that set the same.
fn merged(before: &str, variables: &Variables) -> String {
    let sets_one = |line: &&str| {
        let assigned = line.trim_start().trim_start_matches("export ");
        let name = assigned.split('=').next().unwrap_or_default().trim();
        variables.iter().any(|(variable, _)| *variable == name)
    };
    let kept = before.lines().filter(|line| !sets_one(line));
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    let variables = variables.iter();
    lines.extend(variables.map(|(name, value)| format!("{name}={value}")));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    fn variables() -> Variables {
        vec![("DATABASE_URL", "postgres://a".to_owned())]
    }

    #[test]
    fn lines_that_set_the_same_are_replaced_until_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        let before = "# mine\nexport DATABASE_URL=postgres://mine\nA=b\n";
        fs::write(&path, before).unwrap();
        let file = EnvironmentFile::write(&path, &variables()).unwrap();
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, "# mine\nA=b\nDATABASE_URL=postgres://a\n");
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[test]
    fn a_new_file_goes_and_a_changed_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        drop(EnvironmentFile::write(&path, &variables()).unwrap());
        assert!(!path.exists());
        let file = EnvironmentFile::write(&path, &variables()).unwrap();
        fs::write(&path, "A=b\n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=b\n");
    }
}
