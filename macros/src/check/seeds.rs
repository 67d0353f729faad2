//! `seeds(…)`, of the test or of a service.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Expr, ExprLit, ExprPath, Lit, LitStr, Result};

use super::kinds::{BUILT_IN, Kind};
use super::seed_files::{self, has_extension};
use super::services::Services;
use super::value;
use crate::parse::{self, Entry, Errors, Value, written};
use crate::site::Site;

/// One seed.
#[derive(Clone)]
pub(crate) enum Seed {
    /// A file for a service.
    File {
        /// Name of the service.
        service: String,
        /// The file, relative to the crate's directory if it is inside.
        path: String,
        /// The literal that names it.
        span: Span,
    },
    /// A function.
    Function {
        /// Name of the service that it belongs to, if it is written inside of one.
        service: Option<String>,
        /// Its path.
        path: ExprPath,
    },
}

/// What the seeds are for.
pub(crate) enum Target<'a> {
    /// The test: a file is for the service that its extension belongs to.
    Test(&'a Services),
    /// One service, of this kind and name.
    Service(&'a Kind, &'a str),
}

const EXAMPLE: &str = "seeds(\"users\", insert_session)";

/// Reads the entry and finds the files; mistakes go to `errors`. `before` are the seeds that are
/// applied before these.
pub(crate) fn check(
    entry: &Entry,
    target: &Target<'_>,
    before: &[&Seed],
    site: &Site,
    errors: &mut Errors,
) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let expressions = match listed(entry) {
        Ok(expressions) => expressions,
        Err(error) => {
            errors.absorb(error);
            return seeds;
        }
    };
    for expression in &expressions {
        let found = seed(expression, target, site);
        add(found, expression, before, &mut seeds, errors);
    }
    seeds
}

/// Adds a seed that was found to the list, unless it, or one in `before`, is the same.
pub(super) fn add(
    found: Result<Seed>,
    written: &impl ToTokens,
    before: &[&Seed],
    seeds: &mut Vec<Seed>,
    errors: &mut Errors,
) {
    match found {
        Ok(seed)
            if before
                .iter()
                .copied()
                .chain(&*seeds)
                .any(|other| other.is(&seed)) =>
        {
            errors.push(written, "this seed is listed twice: keep one");
        }
        Ok(seed) => seeds.push(seed),
        Err(error) => errors.absorb(error),
    }
}

impl Seed {
    /// Whether both do the same to the same service.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { service, path, .. },
                Self::File {
                    service: other_service,
                    path: other_path,
                    ..
                },
            ) => (service, path) == (other_service, other_path),
            (
                Self::Function { service, path },
                Self::Function {
                    service: other_service,
                    path: other_path,
                },
            ) => (service, written(path)) == (other_service, written(other_path)),
            _ => false,
        }
    }
}

fn listed(entry: &Entry) -> Result<Vec<Expr>> {
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

fn seed(expression: &Expr, target: &Target<'_>, site: &Site) -> Result<Seed> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(_), ..
        }) => file(&value::literal(expression, EXAMPLE)?, target, site),
        Expr::Path(path) => Ok(Seed::Function {
            service: match target {
                Target::Test(_) => None,
                Target::Service(_, name) => Some((*name).to_owned()),
            },
            path: path.clone(),
        }),
        Expr::Call(call) => {
            let function = written(&call.func);
            let message = format!(
                "a seed function is named, not called, and its arguments are injected: write `{function}`"
            );
            Err(Error::new_spanned(expression, message))
        }
        _ => {
            let message = format!(
                "a seed is a file's name in quotes or the path of a function: write `{EXAMPLE}`"
            );
            Err(Error::new_spanned(expression, message))
        }
    }
}

/// Kinds of seed files, and the service that each is for.
fn extensions() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN
        .into_iter()
        .filter_map(|kind| Some((kind.seed_extension?, kind.word)))
}

fn file(name: &LitStr, target: &Target<'_>, site: &Site) -> Result<Seed> {
    let service;
    let file;
    match target {
        Target::Test(services) => {
            let known: Vec<&str> = extensions().map(|(extension, _)| extension).collect();
            file = seed_files::find(name, &known, site)?;
            let kind = extensions().find(|(extension, _)| has_extension(&file, extension));
            let (extension, word) = kind.unwrap_or_default();
            let what = format!("a `.{extension}` file needs");
            let inside = format!("seeds({})", name.to_token_stream());
            let position = services.only(word, name, &what, &inside)?;
            // If the service is missing because of a mistake, nothing uses its name.
            service = position.map_or(word, |position| &services.all[position].name);
        }
        Target::Service(kind, name_of_service) => {
            file = seed_files::find(name, &extensions_of(kind, name)?, site)?;
            service = name_of_service;
        }
    }
    Ok(Seed::File {
        service: service.to_owned(),
        path: site.display(&file),
        span: name.span(),
    })
}

/// Extensions of the files that a service takes; none: any file, by its whole name.
fn extensions_of(kind: &Kind, name: &LitStr) -> Result<Vec<&'static str>> {
    let Kind::BuiltIn(kind) = kind else {
        return Ok(Vec::new());
    };
    let Some(extension) = kind.seed_extension else {
        let message = format!(
            "`{}` takes no seed files: write a function that fills it, as in `seeds(insert_mail)`",
            kind.word
        );
        return Err(Error::new_spanned(name, message));
    };
    let path = name.value();
    let of_another = extensions().find(|(other, _)| {
        *other != extension && has_extension(std::path::Path::new(&path), other)
    });
    if let Some((other, word)) = of_another {
        let message = format!(
            "a `.{other}` file is for `{word}`, not for `{}`: write it inside of `{word}(…)`",
            kind.word
        );
        return Err(Error::new_spanned(name, message));
    }
    Ok(vec![extension])
}
