//! The values of the options of the services that the attribute has a word for.

use std::time::Duration;

use syn::{Error, Expr, Result};

use super::migrations::{self, Migrations};
use super::value;
use super::versions::{self, Version};
use crate::parse::Entry;
use crate::site::Site;

/// One option. Its name is also the name of the field in the runtime.
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
    /// Returns a rule.
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
    /// Name of an image, or a list of them.
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
    /// `true` or `false`, where saying nothing is a third.
    Choice,
    /// A whole number above zero.
    Count,
    /// Where the schema comes from.
    Migrations,
}

/// An option's value.
pub(crate) enum Setting {
    /// A text, or a constant that contains one.
    Text(Expr),
    /// Several images: a test for each.
    Images(Vec<Version>),
    /// What no other test uses.
    Isolation(Isolation),
    /// A time.
    Duration(Duration),
    /// Several texts.
    Texts(Vec<Expr>),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// `true` or `false`.
    Flag(bool),
    /// Yes or no, where saying nothing is a third.
    Choice(bool),
    /// A whole number above zero.
    Count(u32),
    /// Where the schema comes from.
    Migrations(Migrations),
    /// The image of a container.
    Container(Expr),
    /// The value of a field that only the compiler knows.
    Field(Expr),
}

/// What no other test uses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isolation {
    /// A database on a shared server.
    Database,
    /// A server.
    Server,
}

/// Reads the value of one option.
pub(crate) fn check(rule: &Rule, option: &Entry, site: &Site) -> Result<Setting> {
    let value = value::assigned(option, rule.example)?;
    Ok(match rule.shape {
        Shape::Image if matches!(value, Expr::Array(_)) => {
            let image = |element: &Expr| image(element, rule);
            Setting::Images(versions::check(value, rule.example, image)?)
        }
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
        Shape::Choice => Setting::Choice(value::boolean(value, rule.example)?),
        Shape::Count => Setting::Count(count(value, rule)?),
        Shape::Migrations => Setting::Migrations(migrations::check(option, site)?),
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
            "the name of an image contains no white space: write a name and a tag, as in `{}`",
            rule.example
        );
        return Err(Error::new_spanned(value, message));
    }
    Ok(image)
}

fn identifier(value: &Expr, rule: &Rule) -> Result<Expr> {
    /// PostgreSQL truncates longer names without an error.
    const LONGEST: usize = 63;
    let name = value::text(value, rule.example)?;
    if written(&name).is_some_and(|name| name.len() > LONGEST) {
        let message = format!("PostgreSQL truncates names to {LONGEST} bytes: write a shorter one");
        return Err(Error::new_spanned(value, message));
    }
    Ok(name)
}

/// The text itself, if it is a literal.
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
        // `isolation = server` lacks only its quotes.
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

fn count(value: &Expr, rule: &Rule) -> Result<u32> {
    let count = value::count(value, rule.example)?;
    u32::try_from(count).map_err(|_| {
        Error::new_spanned(
            value,
            format!("this is too large: write `{}`", rule.example),
        )
    })
}

/// Variables that the runtime sets itself, and what to write instead.
const SET_BY_US: [(&str, &str); 6] = [
    ("POSTGRES_USER", "write `user = \"…\"`"),
    ("POSTGRES_DB", "write `database = \"…\"`"),
    (
        "POSTGRES_PASSWORD",
        "take it out, passwords are random; the arguments that are injected have it",
    ),
    (
        "POSTGRES_PASSWORD_FILE",
        "take it out, passwords are random; the arguments that are injected have it",
    ),
    (
        "POSTGRES_HOST_AUTH_METHOD",
        "take it out, connections use a password",
    ),
    (
        "POSTGRES_INITDB_ARGS",
        "take it out, and write settings of the server as `args = [\"-c\", \"name=value\"]`",
    ),
];

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
        if let Some((_, instead)) = SET_BY_US.iter().find(|(ours, _)| *ours == name) {
            return Err(Error::new_spanned(
                element,
                format!("container-test sets `{name}` itself: {instead}"),
            ));
        }
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
