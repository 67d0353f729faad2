//! `seeds(…)`.

use std::path::{Path, PathBuf};

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Expr, ExprLit, ExprPath, Lit, LitStr, Result};

use super::options::Declared;
use super::value;
use crate::parse::{self, Entry, Errors, Value};
use crate::site::Site;

/// One seed.
pub(crate) enum Seed {
    /// A file, relative to the crate's directory where it lies inside, at the literal that names it.
    File(String, Span),
    /// An async function.
    Function(ExprPath),
}

const EXAMPLE: &str = "seeds(\"users\", insert_session)";

/// Kinds of seed files, and the service that each needs.
const EXTENSIONS: [(&str, &str); 2] = [("sql", "postgres"), ("redis", "redis")];

/// Reads the entry and finds the files; mistakes go to `errors`.
pub(crate) fn check(
    entry: &Entry,
    declared: &Declared,
    site: &Site,
    errors: &mut Errors,
) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let expressions = match written(entry) {
        Ok(expressions) => expressions,
        Err(error) => {
            errors.absorb(error);
            return seeds;
        }
    };
    let mut names: Vec<String> = Vec::new();
    for expression in &expressions {
        match seed(expression, declared, site) {
            Ok((_, name)) if names.contains(&name) => {
                errors.push(expression, "this seed is listed twice: keep one");
            }
            Ok((seed, name)) => {
                names.push(name);
                seeds.push(seed);
            }
            Err(error) => errors.absorb(error),
        }
    }
    seeds
}

fn written(entry: &Entry) -> Result<Vec<Expr>> {
    let Value::List(group) = &entry.value else {
        return Err(Error::new_spanned(
            entry,
            format!("`seeds` takes a list in parentheses: write `{EXAMPLE}`"),
        ));
    };
    let expressions = parse::expressions(group.stream())?;
    if expressions.is_empty() {
        return Err(Error::new_spanned(
            entry,
            format!("this list is empty: write `{EXAMPLE}`, or leave it out"),
        ));
    }
    Ok(expressions)
}

/// The seed, and what tells it from others.
fn seed(expression: &Expr, declared: &Declared, site: &Site) -> Result<(Seed, String)> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(_), ..
        }) => {
            let name = value::literal(expression, EXAMPLE)?;
            let file = file(&name, site)?;
            if let Some((extension, service)) = EXTENSIONS
                .into_iter()
                .find(|(extension, _)| has_extension(&file, extension))
            {
                declared.require(service, &name, &format!("a `.{extension}` file needs"))?;
            }
            let path = site.display(&file);
            Ok((Seed::File(path.clone(), name.span()), path))
        }
        Expr::Path(path) => Ok((
            Seed::Function(path.clone()),
            path.to_token_stream().to_string(),
        )),
        Expr::Call(call) => {
            let function = call.func.to_token_stream().to_string().replace(' ', "");
            let message = format!(
                "a seed function is named, not called, and its arguments are injected: write `{function}`"
            );
            Err(Error::new_spanned(expression, message))
        }
        _ => {
            let message = format!(
                "a seed is a file's name in quotes or the path of an `async fn`: write `{EXAMPLE}`"
            );
            Err(Error::new_spanned(expression, message))
        }
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Finds the file that a literal names.
fn file(written: &LitStr, site: &Site) -> Result<PathBuf> {
    let name = written.value();
    let complete = EXTENSIONS
        .iter()
        .any(|(extension, _)| has_extension(Path::new(&name), extension));
    let directories = directories(&name, complete, site);
    for directory in &directories {
        let found: Vec<PathBuf> = spellings(directory, &name, complete)
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
    let mut places = directories
        .iter()
        .flat_map(|directory| spellings(directory, &name, complete));
    if site.source_dir.is_none() {
        // An editor that does not know the source file must not complain about its neighbours.
        return Ok(places.next().unwrap_or_else(|| PathBuf::from(&name)));
    }
    let places: Vec<String> = places
        .map(|path| format!("`{}`", site.display(&path)))
        .collect();
    let message = format!("no seed file `{name}`: create one of {}", places.join(", "));
    Err(Error::new_spanned(written, message))
}

/// Where to look, first place first: a plain name in `fixtures`, and a path as it is written,
/// each beside the source file and then at the crate's root.
fn directories(name: &str, complete: bool, site: &Site) -> Vec<PathBuf> {
    let roots = || site.source_dir.iter().chain([&site.manifest_dir]);
    let is_path = name.contains(['/', std::path::MAIN_SEPARATOR]);
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

fn spellings(directory: &Path, name: &str, complete: bool) -> impl Iterator<Item = PathBuf> {
    let path = directory.join(name);
    let extensions: &[&str] = if complete { &[""] } else { &[".sql", ".redis"] };
    extensions.iter().map(move |extension| {
        let mut path = path.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::file;
    use crate::site::Site;

    /// The crate in `tests/site`, seen from a file in its `src`.
    fn site() -> Site {
        let manifest_dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
        Site {
            source_dir: Some(manifest_dir.join("src")),
            manifest_dir,
            gated: false,
        }
    }

    fn find(name: &str, site: &Site) -> Result<String, String> {
        let file = file(&LitStr::new(name, Span::call_site()), site);
        file.map(|file| site.display(&file))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn finds_a_name_beside_the_source_file_first() {
        assert_eq!(find("users", &site()).unwrap(), "src/fixtures/users.sql");
        assert_eq!(
            find("sessions", &site()).unwrap(),
            "src/fixtures/sessions.redis"
        );
    }

    #[test]
    fn finds_a_name_at_the_root_of_the_crate_otherwise() {
        assert_eq!(find("tokens", &site()).unwrap(), "fixtures/tokens.sql");
        assert_eq!(
            find("dotted.name", &site()).unwrap(),
            "fixtures/dotted.name.sql"
        );
    }

    #[test]
    fn takes_an_extension_to_choose_between_two_files_of_a_name() {
        assert!(
            find("both", &site())
                .unwrap_err()
                .contains("write the extension, as in `\"both.sql\"`")
        );
        assert_eq!(find("both.redis", &site()).unwrap(), "fixtures/both.redis");
    }

    #[test]
    fn finds_a_path_from_the_source_file_first() {
        assert_eq!(
            find("sql/report.sql", &site()).unwrap(),
            "src/sql/report.sql"
        );
        assert_eq!(find("sql/report", &site()).unwrap(), "src/sql/report.sql");
        assert_eq!(find("extra.sql", &site()).unwrap(), "src/extra.sql");
    }

    #[test]
    fn finds_a_path_from_the_root_of_the_crate_otherwise() {
        assert_eq!(
            find("fixtures/tokens.sql", &site()).unwrap(),
            "fixtures/tokens.sql"
        );
        let root = Site {
            source_dir: Some(site().manifest_dir),
            ..site()
        };
        assert_eq!(find("sql/report.sql", &root).unwrap(), "sql/report.sql");
    }

    #[test]
    fn names_a_file_outside_of_the_crate_absolutely() {
        let manifest_dir = site().manifest_dir.join("src");
        let inner = Site {
            manifest_dir: manifest_dir.clone(),
            source_dir: Some(site().manifest_dir),
            gated: false,
        };
        let expected = site().manifest_dir.join("fixtures/tokens.sql");
        assert_eq!(find("tokens", &inner).unwrap(), expected.to_str().unwrap());
    }

    #[test]
    fn lists_the_places_of_a_missing_file_in_the_order_of_looking() {
        let places =
            "`src/fixtures/nobody.sql`, `fixtures/nobody.sql`, `src/nobody.sql`, `nobody.sql`";
        let said = find("nobody.sql", &site()).unwrap_err();
        assert!(said.ends_with(places), "{said}");
    }

    #[test]
    fn believes_in_a_missing_file_where_the_source_file_is_unknown() {
        let editor = Site {
            source_dir: None,
            ..site()
        };
        assert_eq!(find("nobody", &editor).unwrap(), "fixtures/nobody.sql");
        assert_eq!(find("tokens", &editor).unwrap(), "fixtures/tokens.sql");
    }
}
