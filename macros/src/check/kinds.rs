//! The kinds of services: those with a word of their own and their options, and any other type.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, Path};

use super::setting::{Rule, Shape};
use crate::parse::written;

/// A kind of service.
#[derive(Clone)]
pub(crate) enum Kind {
    /// One that the attribute has a word for.
    BuiltIn(&'static BuiltIn),
    /// A type that implements `Service`.
    Custom(Path),
}

/// A kind of service that the attribute has a word for.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// The word.
    pub(crate) word: &'static str,
    /// Its type in the runtime.
    pub(crate) type_name: &'static str,
    /// Extension of the seed files that it takes.
    pub(crate) seed_extension: Option<&'static str>,
    /// Whether its parentheses begin with an image.
    pub(crate) takes_image: bool,
    /// Its options, each a field of the type.
    pub(crate) options: &'static [Rule],
}

/// Every kind with a word.
pub(crate) const BUILT_IN: [&BuiltIn; 3] = [&POSTGRES, &REDIS, &CONTAINER];

const POSTGRES: BuiltIn = BuiltIn {
    word: "postgres",
    type_name: "Postgres",
    seed_extension: Some("sql"),
    takes_image: false,
    options: &[
        IMAGE,
        DATABASE,
        USER,
        ISOLATION,
        STARTUP_TIMEOUT,
        ARGS,
        ENV,
        RECYCLE,
        MAX_CONNECTIONS,
        EXTENSIONS,
        TEMPLATE_SEEDS,
        MIGRATIONS,
    ],
};

const REDIS: BuiltIn = BuiltIn {
    word: "redis",
    type_name: "Redis",
    seed_extension: Some("redis"),
    takes_image: false,
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

const CONTAINER: BuiltIn = BuiltIn {
    word: "container",
    type_name: "AnyImage",
    seed_extension: None,
    takes_image: true,
    options: &[SHARED, STARTUP_TIMEOUT],
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
const MAX_CONNECTIONS: Rule = Rule::new("max_connections", "max_connections = 10", Shape::Count);
const EXTENSIONS: Rule = Rule::new("extensions", "extensions = [\"citext\"]", Shape::Texts);
const TEMPLATE_SEEDS: Rule = Rule::new("template_seeds", "template_seeds = false", Shape::Choice);
const MIGRATIONS: Rule = Rule::new(
    "migrations",
    "migrations = \"migrations\"",
    Shape::Migrations,
);
const SHARED: Rule = Rule::new("shared", "shared = true", Shape::Flag);

impl BuiltIn {
    /// Returns the kind of this word.
    pub(crate) fn of(word: &Ident) -> Option<&'static Self> {
        BUILT_IN.into_iter().find(|kind| word == kind.word)
    }

    /// Returns the rule of one of its options.
    pub(crate) fn rule(&self, name: &Ident) -> Option<&'static Rule> {
        self.options.iter().find(|rule| name == rule.name)
    }

    /// Returns the forms in which it is written, for messages.
    pub(crate) fn usage(&self) -> String {
        if self.takes_image {
            return format!(
                "`{}(GenericImage::new(\"mailhog/mailhog\", \"v1.0.1\"))`",
                self.word
            );
        }
        let option = self.options.first().map_or("", |rule| rule.example);
        format!("`{0}` or `{0}({option})`", self.word)
    }

    /// Returns how it is written, with `options` in its parentheses.
    pub(crate) fn example(&self, options: &str) -> String {
        let image = if self.takes_image { "…, " } else { "" };
        format!("{}({image}{options})", self.word)
    }
}

impl Kind {
    /// Returns the kind that a path means, if it means one: a word of the attribute, or what can
    /// only be a type.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.get_ident() {
            Some(word) => BuiltIn::of(word).map(Self::BuiltIn).or_else(|| {
                word.to_string()
                    .starts_with(char::is_uppercase)
                    .then(|| Self::Custom(path.clone()))
            }),
            None => Some(Self::Custom(path.clone())),
        }
    }

    /// Returns whether both are the same word or path.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BuiltIn(one), Self::BuiltIn(other)) => one.word == other.word,
            (Self::Custom(one), Self::Custom(other)) => {
                one.to_token_stream().to_string() == other.to_token_stream().to_string()
            }
            _ => false,
        }
    }

    /// Returns the word or path, as messages write it.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::BuiltIn(kind) => kind.word.to_owned(),
            Self::Custom(path) => written(path),
        }
    }

    /// Returns the name of an instance that has none of its own: the word, or the type's name in
    /// snake case.
    pub(crate) fn default_name(&self) -> String {
        match self {
            Self::BuiltIn(kind) => kind.word.to_owned(),
            Self::Custom(path) => snake_case(&type_name(path)),
        }
    }
}

/// The last part of a path.
fn type_name(path: &Path) -> String {
    path.segments
        .last()
        .map(|segment| segment.ident.unraw().to_string())
        .unwrap_or_default()
}

fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(index + 1);
        let word_starts = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_ascii_digit()
                    || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
            });
        if word_starts {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::{Kind, snake_case};

    #[test]
    fn writes_a_types_name_in_snake_case() {
        for (name, snake) in [
            ("Nats", "nats"),
            ("MailHog", "mail_hog"),
            ("S3", "s3"),
            ("HTTPServer", "http_server"),
            ("Http2Server", "http2_server"),
            ("snake_case", "snake_case"),
        ] {
            assert_eq!(snake_case(name), snake, "{name}");
        }
    }

    #[test]
    fn takes_a_word_in_lower_case_for_no_type() {
        let kind = |path: &str| Kind::of(&syn::parse_str(path).unwrap());
        assert!(matches!(kind("redis"), Some(Kind::BuiltIn(_))));
        for path in ["Nats", "nats::server", "::nats", "crate::Nats", "Nats<u8>"] {
            assert!(matches!(kind(path), Some(Kind::Custom(_))), "{path}");
        }
        assert!(kind("nats").is_none());
    }
}
