//! Services and what stands in their parentheses.

use syn::Ident;

use super::setting::{self, Rule, Setting, Shape};
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
        ARGS,
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
        Rule {
            example: "args = [\"--maxmemory\", \"64mb\"]",
            ..ARGS
        },
        ENV,
    ],
};

const IMAGE: Rule = Rule::new("image", "image = \"postgres:18-alpine\"", Shape::Image);
const DATABASE: Rule = Rule::new("database", "database = \"app\"", Shape::Identifier);
const USER: Rule = Rule::new("user", "user = \"app\"", Shape::Identifier);
const ISOLATION: Rule = Rule::new("isolation", "isolation = \"server\"", Shape::Isolation);
const STARTUP_TIMEOUT: Rule = Rule::new(
    "startup_timeout",
    "startup_timeout = \"90s\"",
    Shape::Duration,
);
const ARGS: Rule = Rule::new("args", "args = [\"-c\", \"work_mem=64MB\"]", Shape::Texts);
const ENV: Rule = Rule::new("env", "env = [\"TZ=UTC\"]", Shape::Environment);
const RECYCLE: Rule = Rule::new("recycle", "recycle = false", Shape::Flag);

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

impl Service {
    /// Whether every option is given.
    pub(crate) fn is_complete(&self) -> bool {
        self.options.len() == self.kind.options.len()
    }
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
        let Some(rule) = kind.rule(&option.name) else {
            errors.push(&option.name, unknown(kind, &option.name));
            continue;
        };
        match setting::check(rule, option) {
            Ok(setting) => service.options.push((option.name.clone(), setting)),
            Err(error) => errors.absorb(error),
        }
    }
    service
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
