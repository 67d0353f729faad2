//! The values of a service's options.

use std::time::Duration;

use syn::{Error, Expr, Result};

use super::value;
use crate::parse::Entry;

/// One option: its name is also its field in the runtime.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its word.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) example: &'static str,
    /// What its value is.
    pub(crate) shape: Shape,
}

impl Rule {
    /// A rule, as the tables write it.
    pub(crate) const fn new(name: &'static str, example: &'static str, shape: Shape) -> Self {
        Self {
            name,
            example,
            shape,
        }
    }
}

/// What an option's value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Name of an image.
    Image,
    /// Name of a database or a role.
    Identifier,
    /// `"database"` or `"server"`.
    Isolation,
    /// Such as `"30s"`.
    Duration,
    /// A list of texts.
    Texts,
    /// A list of `"NAME=value"`.
    Environment,
    /// `true` or `false`.
    Flag,
}

/// An option's value.
pub(crate) enum Setting {
    /// A text, or a constant that is one.
    Text(Expr),
    /// What the test has to itself.
    Isolation(Isolation),
    /// A time.
    Duration(Duration),
    /// Several texts.
    Texts(Vec<Expr>),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// Yes or no.
    Flag(bool),
}

/// What the test has to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isolation {
    /// A database on a shared server.
    Database,
    /// A server.
    Server,
}

/// Reads the value of one option.
pub(crate) fn check(rule: &Rule, option: &Entry) -> Result<Setting> {
    let value = value::assigned(option, rule.example)?;
    Ok(match rule.shape {
        Shape::Image => Setting::Text(image(value, rule)?),
        Shape::Identifier => Setting::Text(identifier(value, rule)?),
        Shape::Isolation => Setting::Isolation(isolation(value, rule)?),
        Shape::Duration => Setting::Duration(value::duration(value, rule.name)?),
        Shape::Texts => {
            let texts =
                value::list(value, rule.example)?.map(|text| value::text(text, rule.example));
            Setting::Texts(all(texts)?)
        }
        Shape::Environment => Setting::Pairs(environment(value, rule)?),
        Shape::Flag => Setting::Flag(value::boolean(value, rule.example)?),
    })
}

/// Every result, or every error.
fn all<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let mut errors: Option<Error> = None;
    for result in results {
        match (result, &mut errors) {
            (Ok(value), _) => values.push(value),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    errors.map_or(Ok(values), Err)
}

fn image(value: &Expr, rule: &Rule) -> Result<Expr> {
    let image = value::text(value, rule.example)?;
    if written(&image).is_some_and(|image| image.contains(char::is_whitespace)) {
        let message = format!(
            "an image's name contains no white space: write a name and a tag, as in `{}`",
            rule.example
        );
        return Err(Error::new_spanned(value, message));
    }
    Ok(image)
}

fn identifier(value: &Expr, rule: &Rule) -> Result<Expr> {
    /// PostgreSQL cuts longer names, silently.
    const LONGEST: usize = 63;
    let name = value::text(value, rule.example)?;
    if written(&name).is_some_and(|name| name.len() > LONGEST) {
        let message = format!("PostgreSQL cuts names at {LONGEST} bytes: write a shorter one");
        return Err(Error::new_spanned(value, message));
    }
    Ok(name)
}

/// The text itself, where it is a literal.
fn written(text: &Expr) -> Option<String> {
    match text {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn isolation(value: &Expr, rule: &Rule) -> Result<Isolation> {
    let word = match value {
        // `isolation = server`: what is meant is clear, and so is what is missing.
        Expr::Path(path)
            if path
                .path
                .get_ident()
                .is_some_and(|word| word == "server" || word == "database") =>
        {
            let word = path.path.require_ident()?;
            return Err(Error::new_spanned(
                value,
                format!("this lacks its quotes: write `isolation = \"{word}\"`"),
            ));
        }
        _ => value::literal(value, rule.example)?,
    };
    match word.value().as_str() {
        "database" => Ok(Isolation::Database),
        "server" => Ok(Isolation::Server),
        other => {
            let message = format!(
                "unknown isolation `{other}`: write `\"database\"` (the default: a database of its own on a shared server) or `\"server\"` (a server of its own)"
            );
            Err(Error::new_spanned(value, message))
        }
    }
}

fn environment(value: &Expr, rule: &Rule) -> Result<Vec<(String, String)>> {
    let mut seen: Vec<String> = Vec::new();
    all(value::list(value, rule.example)?.map(|element| {
        let text = value::literal(element, rule.example)?;
        let text = text.value();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => (name, value),
            Some(_) => {
                return Err(Error::new_spanned(
                    element,
                    "this variable lacks its name: write `\"NAME=value\"`",
                ));
            }
            None => {
                return Err(Error::new_spanned(
                    element,
                    format!("expected `NAME=value`: write `\"{text}=…\"`"),
                ));
            }
        };
        if seen.iter().any(|other| other == name) {
            return Err(Error::new_spanned(
                element,
                format!("`{name}` is set twice: keep one"),
            ));
        }
        seen.push(name.to_owned());
        Ok((name.to_owned(), value.to_owned()))
    }))
}
