//! `fixtures(…)`: SQL seed files, named as `#[sqlx::test]` names them.

use std::path::Path;

use quote::ToTokens;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

use super::kinds::Kind;
use super::seeds::{self, Seed, Target};
use super::value;
use crate::parse::{self, Entry, Errors, Value};
use crate::site::Site;

const EXAMPLE: &str = "`fixtures(\"users\")`, `fixtures(\"./sql/users.sql\")` or `fixtures(path = \"sql\", scripts(\"users\"))`";

/// Reads one list and finds its files; mistakes go to `errors`. `before` are the seeds that are
/// applied before these.
pub(crate) fn check(
    entry: &Entry,
    target: &Target<'_>,
    before: &[&Seed],
    site: &Site,
    errors: &mut Errors,
) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let names = match names(entry) {
        Ok(names) => names,
        Err(error) => {
            errors.absorb(error);
            return seeds;
        }
    };
    for (written, path) in &names {
        let found = seed(written, path, target, site);
        seeds::add(found, written, before, &mut seeds, errors);
    }
    seeds
}

/// Returns the literals, each with the path that it means, relative to the source file.
fn names(entry: &Entry) -> Result<Vec<(LitStr, String)>> {
    let Value::List(group) = &entry.value else {
        let message = format!("`fixtures` takes a list in parentheses: write {EXAMPLE}");
        return Err(Error::new_spanned(entry, message));
    };
    let expressions = parse::expressions(group.stream())?;
    if expressions.is_empty() {
        let message = format!("this list is empty: write {EXAMPLE}, or leave it out");
        return Err(Error::new_spanned(entry, message));
    }
    if let [Expr::Assign(path), Expr::Call(scripts)] = &expressions[..]
        && is_word(&path.left, "path")
        && is_word(&scripts.func, "scripts")
    {
        let folder = value::literal(&path.right, "path = \"sql\"")?.value();
        let literals = scripts.args.iter().map(literal);
        let named = literals.map(|name| name.map(|name| in_folder(&folder, name)));
        return named.collect();
    }
    let named = expressions.iter().map(|expression| {
        let name = literal(expression)?;
        // As sqlx tells a path from a name.
        let is_path = Path::new(&name.value()).components().count() > 1;
        Ok(if is_path {
            (name.clone(), name.value())
        } else {
            in_folder("fixtures", name)
        })
    });
    named.collect()
}

fn is_word(expression: &Expr, word: &str) -> bool {
    matches!(expression, Expr::Path(path) if path.path.is_ident(word))
}

fn literal(expression: &Expr) -> Result<LitStr> {
    if let Expr::Lit(ExprLit {
        lit: Lit::Str(_), ..
    }) = expression
    {
        return value::literal(expression, "fixtures(\"users\")");
    }
    let message = format!("a fixture is a SQL file's name in quotes: write {EXAMPLE}");
    Err(Error::new_spanned(expression, message))
}

fn in_folder(folder: &str, name: LitStr) -> (LitStr, String) {
    let file = name.value();
    let extension = match Path::new(&file).extension() {
        Some(_) => "",
        None => ".sql",
    };
    (name, format!("{folder}/{file}{extension}"))
}

fn seed(written: &LitStr, path: &str, target: &Target<'_>, site: &Site) -> Result<Seed> {
    let service = match target {
        Target::Test(services) => {
            let inside = format!("fixtures({})", written.to_token_stream());
            let position = services.only("postgres", written, "fixtures need", &inside)?;
            // If the service is missing because of a mistake, nothing uses its name.
            position.map_or("postgres", |position| &services.all[position].name)
        }
        Target::Service(Kind::BuiltIn(kind), name) if kind.word == "postgres" => name,
        Target::Service(kind, _) => {
            let message = format!(
                "fixtures are SQL files, and `{}` takes none: write `seeds(…)`",
                kind.written()
            );
            return Err(Error::new_spanned(written, message));
        }
    };
    // Editors do not know the source file: a file beside it is no mistake there.
    let directory = site.source_dir.as_ref().unwrap_or(&site.manifest_dir);
    let file = directory.join(path);
    if site.source_dir.is_some() && !file.is_file() {
        let message = format!(
            "no fixture `{}`: create it, or correct its name, which is relative to the source file",
            site.display(&file)
        );
        return Err(Error::new_spanned(written, message));
    }
    Ok(Seed::File {
        service: service.to_owned(),
        path: site.display(&file),
        span: written.span(),
    })
}
