//! Finds the file of a seed.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use syn::{Error, LitStr, Result};

use crate::site::Site;

/// Returns whether a file's name ends in this extension.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Finds the file that a literal names, with one of the extensions or, if there are none, by its
/// whole name.
pub(crate) fn find(written: &LitStr, extensions: &[&str], site: &Site) -> Result<PathBuf> {
    let name = written.value();
    let has = |extension: &&str| has_extension(Path::new(&name), extension);
    // What is appended to the name.
    let endings: Vec<String> = if extensions.is_empty() || extensions.iter().any(has) {
        vec![String::new()]
    } else {
        let endings = extensions.iter().map(|extension| format!(".{extension}"));
        endings.collect()
    };
    let complete = endings.iter().any(String::is_empty);
    let directories = directories(&name, complete, site);
    for directory in &directories {
        let found: Vec<PathBuf> = candidates(directory, &name, &endings)
            .filter(|path| path.is_file())
            .collect();
        match &found[..] {
            [] => {}
            [file] => return Ok(file.clone()),
            [one, other, ..] => {
                let message = format!(
                    "this may be `{}` or `{}`: write the extension, as in `\"{name}.sql\"`",
                    site.display(one),
                    site.display(other),
                );
                return Err(Error::new_spanned(written, message));
            }
        }
    }
    let mut missing = directories
        .iter()
        .flat_map(|directory| candidates(directory, &name, &endings));
    if site.source_dir.is_none() {
        // Editors do not know the source file: a file beside it is no mistake there.
        return Ok(missing.next().unwrap_or_else(|| PathBuf::from(&name)));
    }
    let missing: Vec<String> = missing
        .map(|path| format!("`{}`", site.display(&path)))
        .collect();
    let message = format!(
        "no seed file `{name}`: create one of {}",
        missing.join(", ")
    );
    Err(Error::new_spanned(written, message))
}

/// The directories to search, in order: `fixtures` for a plain name, and the roots themselves for a
/// path or a complete name. The roots are the source file's directory and then the crate's.
fn directories(name: &str, complete: bool, site: &Site) -> Vec<PathBuf> {
    let roots = || site.source_dir.iter().chain([&site.manifest_dir]);
    let is_path = name.contains(['/', MAIN_SEPARATOR]);
    let mut directories: Vec<PathBuf> = Vec::new();
    if !is_path {
        directories.extend(roots().map(|root| root.join("fixtures")));
    }
    if is_path || complete {
        directories.extend(roots().cloned());
    }
    directories.dedup();
    directories
}

fn candidates(directory: &Path, name: &str, endings: &[String]) -> impl Iterator<Item = PathBuf> {
    let path = directory.join(name);
    endings.iter().map(move |ending| {
        let mut path = path.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::find;
    use crate::site::Site;

    /// The crate in `tests/site`, seen from a file in its `src`.
    fn site() -> Site {
        let manifest_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
        Site {
            source_dir: Some(manifest_dir.join("src")),
            manifest_dir,
            gate: Ok(None),
            containers: true,
        }
    }

    fn search(name: &str, site: &Site) -> Result<String, String> {
        search_with(&["sql", "redis"], name, site)
    }

    fn search_with(extensions: &[&str], name: &str, site: &Site) -> Result<String, String> {
        let file = find(&LitStr::new(name, Span::call_site()), extensions, site);
        file.map(|file| site.display(&file))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn finds_a_name_beside_the_source_file_first() {
        assert_eq!(search("users", &site()).unwrap(), "src/fixtures/users.sql");
        assert_eq!(
            search("sessions", &site()).unwrap(),
            "src/fixtures/sessions.redis"
        );
    }

    #[test]
    fn finds_a_name_at_the_root_of_the_crate_next() {
        assert_eq!(search("tokens", &site()).unwrap(), "fixtures/tokens.sql");
        assert_eq!(
            search("dotted.name", &site()).unwrap(),
            "fixtures/dotted.name.sql"
        );
    }

    #[test]
    fn requires_the_extension_if_two_files_have_the_name() {
        assert!(
            search("both", &site())
                .unwrap_err()
                .contains("write the extension, as in `\"both.sql\"`")
        );
        assert_eq!(
            search("both.redis", &site()).unwrap(),
            "fixtures/both.redis"
        );
    }

    #[test]
    fn finds_a_path_from_the_source_file_first() {
        assert_eq!(
            search("sql/report.sql", &site()).unwrap(),
            "src/sql/report.sql"
        );
        assert_eq!(search("sql/report", &site()).unwrap(), "src/sql/report.sql");
        assert_eq!(search("extra.sql", &site()).unwrap(), "src/extra.sql");
    }

    #[test]
    fn finds_a_path_from_the_root_of_the_crate_next() {
        assert_eq!(
            search("fixtures/tokens.sql", &site()).unwrap(),
            "fixtures/tokens.sql"
        );
        let root = Site {
            source_dir: Some(site().manifest_dir),
            ..site()
        };
        assert_eq!(search("sql/report.sql", &root).unwrap(), "sql/report.sql");
    }

    #[test]
    fn writes_the_absolute_path_of_a_file_outside_of_the_crate() {
        let manifest_dir = site().manifest_dir.join("src");
        let inner = Site {
            manifest_dir: manifest_dir.clone(),
            source_dir: Some(site().manifest_dir),
            gate: Ok(None),
            containers: true,
        };
        let expected = site().manifest_dir.join("fixtures/tokens.sql");
        assert_eq!(
            search("tokens", &inner).unwrap(),
            expected.to_str().unwrap()
        );
    }

    #[test]
    fn lists_the_candidates_for_a_missing_file_in_the_order_of_the_search() {
        let candidates =
            "`src/fixtures/missing.sql`, `fixtures/missing.sql`, `src/missing.sql`, `missing.sql`";
        let error = search("missing.sql", &site()).unwrap_err();
        assert!(error.ends_with(candidates), "{error}");
    }

    #[test]
    fn accepts_a_missing_file_if_the_source_file_is_unknown() {
        let editor = Site {
            source_dir: None,
            ..site()
        };
        assert_eq!(search("missing", &editor).unwrap(), "fixtures/missing.sql");
        assert_eq!(search("tokens", &editor).unwrap(), "fixtures/tokens.sql");
    }

    #[test]
    fn ignores_files_of_other_extensions() {
        assert_eq!(
            search_with(&["sql"], "both", &site()).unwrap(),
            "fixtures/both.sql"
        );
        let error = search_with(&["sql"], "sessions", &site()).unwrap_err();
        assert!(
            error.ends_with("`src/fixtures/sessions.sql`, `fixtures/sessions.sql`"),
            "{error}"
        );
    }

    #[test]
    fn takes_the_whole_name_if_no_extension_is_known() {
        assert_eq!(
            search_with(&[], "both.sql", &site()).unwrap(),
            "fixtures/both.sql"
        );
        assert!(search_with(&[], "both", &site()).is_err());
    }
}
