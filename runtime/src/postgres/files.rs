//! Directories of migrations, as sqlx reads them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::service::BoxError;
use crate::{Error, Result};

/// The name of a file, and what is in it.
pub(super) type File = (String, String);

/// Returns the migrations of a directory that lead up, in the order in which they are applied.
pub(super) fn up(directory: &Path) -> Result<Vec<File>> {
    if !directory.is_dir() {
        return Err(gone(directory));
    }
    let (migrations, others) = list(directory)?;
    if let Some(error) = of_other_tool(directory, &migrations, &others) {
        return Err(error);
    }
    if migrations.is_empty() {
        return Err(none_in(directory, &others));
    }
    read(directory, migrations)
}

/// Returns the same of a directory that no test names, if it is there. It has to be if it was when
/// the test was compiled.
pub(super) fn up_if_there(directory: &Path, expected: bool) -> Result<Option<Vec<File>>> {
    if !directory.is_dir() {
        return if expected {
            Err(gone(directory))
        } else {
            Ok(None)
        };
    }
    let (migrations, others) = list(directory)?;
    if expected && let Some(error) = of_other_tool(directory, &migrations, &others) {
        return Err(error);
    }
    if migrations.is_empty() && others.iter().any(|name| is_sql(name)) {
        return Err(none_in(directory, &others));
    }
    read(directory, migrations).map(Some)
}

fn gone(directory: &Path) -> Error {
    unreadable(directory, "there is no such directory").with_help(
        "it was there when the test was compiled: put it back, or compile the test again with what \
         is true now: `migrations = \"…\"`, or `migrations = false`",
    )
}

/// Returns the error of migrations that cannot be read.
pub(super) fn unreadable(directory: &Path, cause: impl Into<BoxError>) -> Error {
    Error::new(format!("read the migrations in {}", directory.display()))
        .because(cause)
        .with_help(
            "files are named `<version>_<description>.sql`, with a number as the version, as sqlx has it",
        )
}

/// Returns the file of a version: sqlx keeps the version and the description, not the name.
pub(super) fn of_version(directory: &Path, version: i64) -> Option<PathBuf> {
    let (names, _) = list(directory).ok()?;
    let name = names
        .into_iter()
        .find(|name| version_of(name) == Some(version))?;
    Some(directory.join(name))
}

/// Returns the names of the migrations that lead up, and those of all other files.
fn list(directory: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let failed = |error: std::io::Error| unreadable(directory, error);
    let (mut up, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = || match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_file(),
            _ => entry.path().is_file(),
        };
        if !(is_sql(&name) && name.contains('_') && is_file()) {
            others.push(name);
        } else if !name.ends_with(".down.sql") {
            up.push(name);
        }
    }
    Ok((up, others))
}

fn read(directory: &Path, names: Vec<String>) -> Result<Vec<File>> {
    let names = names.into_iter().map(|name| (version_of(&name), name));
    let mut names: Vec<(Option<i64>, String)> = names.collect();
    names.sort_unstable();
    for both in names.windows(2) {
        if let [(Some(version), name), (Some(next), other)] = both
            && version == next
        {
            let cause = format!("{name} and {other} have one version, {version}");
            return Err(unreadable(directory, cause)
                .with_help("give one of them another number: each version is applied once"));
        }
    }
    let read = |(_, name): (_, String)| {
        let path = directory.join(&name);
        let text = fs::read_to_string(&path).map_err(|error| {
            Error::new(format!("read the migration {}", path.display()))
                .because(error)
                .with_help("it has to be a text in UTF-8")
        })?;
        Ok((name, text))
    };
    names.into_iter().map(read).collect()
}

/// Returns the error of a directory without migrations.
fn none_in(directory: &Path, others: &[String]) -> Error {
    let mut others: Vec<&str> = others.iter().map(String::as_str).collect();
    others.sort_by_key(|name| (!is_sql(name), *name));
    match others.first() {
        Some(name) => unreadable(
            directory,
            format!("no file in it is named as a migration: {name} is not"),
        ),
        None => unreadable(directory, "it is empty"),
    }
}

/// Returns the error of migrations that another tool reads, if they are named as its are.
fn of_other_tool(directory: &Path, up: &[String], others: &[String]) -> Option<Error> {
    let has_script = |name: &&String| directory.join(name).join("up.sql").is_file();
    let of_diesel = others.iter().filter(has_script).min();
    let of_refinery = up.iter().filter(|name| is_of_refinery(name)).min();
    let (name, tool, feature, embed, path) = match (of_diesel, of_refinery) {
        (Some(name), _) if up.is_empty() => (
            format!("{name}/up.sql"),
            "diesel",
            "diesel-migrations",
            "const MIGRATIONS: EmbeddedMigrations = embed_migrations!(\"…\");",
            "MIGRATIONS",
        ),
        (_, Some(name)) => (
            name.clone(),
            "refinery",
            "refinery",
            "refinery::embed_migrations!(\"…\");",
            "migrations::runner",
        ),
        _ => return None,
    };
    let cause = format!("{name} is a migration of {tool}, and not named as those of sqlx are");
    Some(unreadable(directory, cause).with_help(format!(
        "compile them into the test, with the feature `{feature}` of container-test: `{embed}` and \
         `migrations = {path}`; `migrations = false` leaves them out"
    )))
}

/// Returns whether a name is one as `V1__users.sql`.
fn is_of_refinery(name: &str) -> bool {
    let version = name.strip_prefix(['V', 'U']);
    let version = version.and_then(|name| name.split_once("__"));
    version.is_some_and(|(version, _)| version.parse::<u64>().is_ok())
}

/// Returns whether a name ends as those of migrations do. Another case is another ending for sqlx.
fn is_sql(name: &str) -> bool {
    name.strip_suffix(".sql").is_some()
}

/// Returns the number that a migration's name begins with.
fn version_of(name: &str) -> Option<i64> {
    name.split('_').next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in files {
            fs::write(directory.path().join(name), "SELECT 1").unwrap();
        }
        directory
    }

    /// The report, without the directory, which has another name every time.
    fn refused(files: &[&str]) -> String {
        let directory = directory(files);
        let report = up(directory.path()).unwrap_err().report();
        report.replace(directory.path().to_str().unwrap(), "DIR")
    }

    const NAMES: &str = "help: files are named `<version>_<description>.sql`, with a number as \
                         the version, as sqlx has it";

    #[test]
    fn migrations_come_in_the_order_of_their_versions() {
        let found = directory(&[
            "10_b.sql",
            "9_a.up.sql",
            "9_a.down.sql",
            "read.me",
            "11.sql",
        ]);
        let names: Vec<String> = up(found.path())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["9_a.up.sql", "10_b.sql"]);
    }

    #[test]
    fn two_migrations_of_one_version_are_named() {
        assert_eq!(
            refused(&["1_users.sql", "0001_tokens.up.sql", "0001_tokens.down.sql"]),
            "failed to read the migrations in DIR\n  \
             because: 0001_tokens.up.sql and 1_users.sql have one version, 1\n  \
             help: give one of them another number: each version is applied once"
        );
    }

    #[test]
    fn a_directory_without_migrations_is_refused_with_the_file_that_is_named_wrongly() {
        assert_eq!(
            refused(&["README.md", "0001-users.sql"]),
            format!(
                "failed to read the migrations in DIR\n  \
                 because: no file in it is named as a migration: 0001-users.sql is not\n  {NAMES}"
            )
        );
        assert_eq!(
            refused(&[]),
            format!("failed to read the migrations in DIR\n  because: it is empty\n  {NAMES}")
        );
    }

    #[test]
    fn migrations_of_another_tool_are_refused_with_the_way_to_use_them() {
        let diesel = directory(&[]);
        let migration = diesel.path().join("2024-01-01-000000_users");
        fs::create_dir(&migration).unwrap();
        fs::write(migration.join("up.sql"), "SELECT 1").unwrap();
        let refinery = directory(&["V1__users.sql", "V2__tokens.sql"]);
        for (found, cause, help) in [
            (
                &diesel,
                "2024-01-01-000000_users/up.sql is a migration of diesel",
                "`migrations = MIGRATIONS`",
            ),
            (
                &refinery,
                "V1__users.sql is a migration of refinery",
                "`migrations = migrations::runner`",
            ),
        ] {
            for refused in [
                up(found.path()).unwrap_err(),
                up_if_there(found.path(), true).unwrap_err(),
            ] {
                let report = refused.report();
                assert!(report.contains(cause) && report.contains(help), "{report}");
            }
            // What has no way to name them, such as the command line, goes on without.
            assert!(up_if_there(found.path(), false).is_ok());
        }
    }

    #[test]
    fn a_directory_that_no_test_names_need_not_have_migrations() {
        for (files, names) in [(vec![], 0), (vec![".gitkeep"], 0), (vec!["1_a.sql"], 1)] {
            let found = up_if_there(directory(&files).path(), true).unwrap();
            assert_eq!(found.unwrap().len(), names, "{files:?}");
        }
        let wrong = directory(&["users.sql"]);
        let report = up_if_there(wrong.path(), false).unwrap_err().report();
        assert!(report.contains("users.sql is not"), "{report}");
        let missing = wrong.path().join("migrations");
        assert_eq!(up_if_there(&missing, false).unwrap(), None);
        let report = up_if_there(&missing, true).unwrap_err().report();
        assert!(
            report.contains("because: there is no such directory"),
            "{report}"
        );
    }

    #[test]
    fn a_directory_that_is_gone_is_reported_with_what_to_do() {
        let directory = directory(&[]);
        let report = up(&directory.path().join("migrations"))
            .unwrap_err()
            .report();
        assert!(
            report.contains("because: there is no such directory"),
            "{report}"
        );
        assert!(
            report.contains("help: it was there when the test was compiled"),
            "{report}"
        );
    }

    #[test]
    fn a_file_that_is_no_text_is_named() {
        let directory = directory(&[]);
        fs::write(directory.path().join("1_users.sql"), b"SELECT '\xff'").unwrap();
        let report = up(directory.path()).unwrap_err().report();
        assert!(report.contains("1_users.sql"), "{report}");
    }
}
