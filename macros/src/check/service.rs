//! Services and what stands in their parentheses.

use std::time::Duration;

use syn::{Error, Expr, Ident, Result};

use super::value;
use crate::parse::{self, Entry, Errors, Value};

/// A kind of service. A new one is a constant here, and a type of the same shape in the runtime.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its word in the attribute, and its field in the runtime's `Test`.
    pub(crate) name: &'static str,
    /// The runtime's type that stands for it in `Declares`.
    pub(crate) marker: &'static str,
    /// The runtime's type of its options.
    pub(crate) options_type: &'static str,
    options: &'static [Rule],
}

/// All there are.
pub(crate) const KINDS: [&Kind; 2] = [&POSTGRES, &REDIS];

const POSTGRES: Kind = Kind {
    name: "postgres",
    marker: "Postgres",
    options_type: "PostgresOptions",
    options: &[
        IMAGE,
        DATABASE,
        USER,
        ISOLATION,
        STARTUP_TIMEOUT,
        POSTGRES_ARGS,
        ENV,
        RECYCLE,
    ],
};

const REDIS: Kind = Kind {
    name: "redis",
    marker: "Redis",
    options_type: "RedisOptions",
    options: &[
        Rule {
            example: "image = \"redis:8-alpine\"",
            ..IMAGE
        },
        ISOLATION,
        STARTUP_TIMEOUT,
        REDIS_ARGS,
        ENV,
    ],
};

/// One option: its name is also its field in the runtime.
#[derive(Debug)]
struct Rule {
    name: &'static str,
    example: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Image,
    Identifier,
    Isolation,
    Duration,
    Texts,
    Environment,
    Flag,
}

const IMAGE: Rule = Rule {
    name: "image",
    example: "image = \"postgres:18-alpine\"",
    shape: Shape::Image,
};
const DATABASE: Rule = Rule {
    name: "database",
    example: "database = \"app\"",
    shape: Shape::Identifier,
};
const USER: Rule = Rule {
    name: "user",
    example: "user = \"app\"",
    shape: Shape::Identifier,
};
const ISOLATION: Rule = Rule {
    name: "isolation",
    example: "isolation = \"server\"",
    shape: Shape::Isolation,
};
const STARTUP_TIMEOUT: Rule = Rule {
    name: "startup_timeout",
    example: "startup_timeout = \"90s\"",
    shape: Shape::Duration,
};
const POSTGRES_ARGS: Rule = Rule {
    name: "args",
    example: "args = [\"-c\", \"work_mem=64MB\"]",
    shape: Shape::Texts,
};
const REDIS_ARGS: Rule = Rule {
    example: "args = [\"--maxmemory\", \"64mb\"]",
    ..POSTGRES_ARGS
};
const ENV: Rule = Rule {
    name: "env",
    example: "env = [\"TZ=UTC\"]",
    shape: Shape::Environment,
};
const RECYCLE: Rule = Rule {
    name: "recycle",
    example: "recycle = false",
    shape: Shape::Flag,
};

impl Kind {
    /// The kind of this name.
    pub(crate) fn named(name: &Ident) -> Option<&'static Self> {
        KINDS.into_iter().find(|kind| name == kind.name)
    }

    /// Whether it has an option of this name.
    pub(crate) fn takes(&self, name: &Ident) -> bool {
        self.rule(name).is_some()
    }

    fn rule(&self, name: &Ident) -> Option<&'static Rule> {
        self.options.iter().find(|rule| name == rule.name)
    }
}

/// A declared service.
pub(crate) struct Service {
    /// What it is.
    pub(crate) kind: &'static Kind,
    /// Its options, by the name of their field in the runtime, in the order written.
    pub(crate) options: Vec<(Ident, Setting)>,
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

/// Reads one service; its mistakes go to `errors`.
pub(crate) fn check(kind: &'static Kind, entry: &Entry, errors: &mut Errors) -> Service {
    let mut service = Service {
        kind,
        options: Vec::new(),
    };
    let group = match &entry.value {
        Value::Bare => return service,
        Value::List(group) => group,
        Value::Assigned(value) => {
            errors.push(
                value,
                format!(
                    "`{0}` is a service: write `{0}` or `{0}({1})`",
                    kind.name, kind.options[0].example
                ),
            );
            return service;
        }
    };
    let options = parse::entries(group.stream(), errors);
    let mut seen: Vec<&Ident> = Vec::new();
    for option in &options {
        if seen.contains(&&option.name) {
            errors.push(
                option,
                format!("`{}` is given twice: keep one", option.name),
            );
            continue;
        }
        seen.push(&option.name);
        match setting(kind, option) {
            Ok(setting) => service.options.push((option.name.clone(), setting)),
            Err(error) => errors.absorb(error),
        }
    }
    service
}

fn setting(kind: &'static Kind, option: &Entry) -> Result<Setting> {
    let Some(rule) = kind.rule(&option.name) else {
        return Err(Error::new_spanned(
            &option.name,
            unknown(kind, &option.name),
        ));
    };
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

fn unknown(kind: &Kind, name: &Ident) -> String {
    if super::options::WORDS.iter().any(|word| name == word) {
        return format!(
            "`{name}` belongs to the test, not to `{0}`: write it after `{0}(…),`",
            kind.name
        );
    }
    if let Some(other) = KINDS.into_iter().find(|kind| kind.takes(name)) {
        return format!(
            "`{}` has no option `{name}`: take it out, it is an option of `{}`",
            kind.name, other.name
        );
    }
    let names: Vec<&str> = kind.options.iter().map(|rule| rule.name).collect();
    format!(
        "`{}` has no option `{name}`: {}",
        kind.name,
        value::suggestion(&name.to_string(), &names)
    )
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
