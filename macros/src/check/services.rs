//! Which services a test declares, and by which names.

use proc_macro2::Group;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Error, Ident, Path, Result};

use super::kinds::{BUILT_IN, BuiltIn, Kind};
use super::options::WORDS;
use super::service::{self, Service};
use super::value;
use crate::parse::{Call, Entry, Errors, Value, written};
use crate::site::Site;

/// The declared services.
pub(crate) struct Services {
    /// All of them, each with a name of its own.
    pub(crate) all: Vec<Service>,
    /// Whether an entry was not understood: it may have been the service that another one needs.
    pub(crate) doubtful: bool,
}

impl Services {
    /// Returns the position of the only service of a kind, for an entry outside of the services;
    /// nothing if an entry that was not understood may declare it. `what` needs the service, and
    /// `entry` is how it is written inside of one.
    pub(crate) fn only(
        &self,
        word: &str,
        at: impl ToTokens,
        what: &str,
        entry: &str,
    ) -> Result<Option<usize>> {
        let of_the_kind =
            |service: &Service| matches!(&service.kind, Kind::BuiltIn(kind) if kind.word == word);
        let found: Vec<usize> = (0..self.all.len())
            .filter(|&index| of_the_kind(&self.all[index]))
            .collect();
        let message = match found[..] {
            [only] => return Ok(Some(only)),
            [] if self.doubtful => return Ok(None),
            [] => format!(
                "{what} `{word}`, which the test does not declare: write `#[container_test({word}, …)]`"
            ),
            [first, ..] => {
                let names: Vec<&str> = found
                    .iter()
                    .map(|&index| self.all[index].name.as_str())
                    .collect();
                format!(
                    "this may be for {}: write it inside of one, as in `{}`",
                    value::alternatives(&names),
                    self.all[first].example(entry)
                )
            }
        };
        Err(Error::new_spanned(at, message))
    }

    /// Returns the names of the services, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.all.iter().map(|service| service.name.as_str());
        names.collect()
    }
}

/// A service as it is written.
pub(crate) struct Mention<'a> {
    /// Before `=`.
    name: Option<&'a Ident>,
    /// The word or path.
    pub(crate) path: &'a Path,
    /// Which kind that is.
    pub(crate) kind: Kind,
    /// The parentheses.
    pub(crate) arguments: Option<&'a Group>,
    entry: &'a Entry,
}

/// Returns the services among the entries; mistakes go to `errors`.
pub(crate) fn check(entries: &[Entry], site: &Site, errors: &mut Errors) -> Services {
    let mut mentions = Vec::new();
    for entry in entries {
        match mention(entry, entries, site) {
            Ok(mention) => mentions.extend(mention),
            Err(error) => errors.absorb(error),
        }
    }
    let mut services = Services {
        all: Vec::new(),
        doubtful: !errors.is_empty(),
    };
    for mention in &mentions {
        let name = name(mention, &services.all);
        let service = service::check(mention, name.as_ref().ok(), site, errors);
        match name {
            Ok(_) => services.all.push(service),
            Err(error) => {
                errors.absorb(error);
                services.doubtful = true;
            }
        }
    }
    services
}

/// Returns the service that an entry declares; none if it is an option of the test.
fn mention<'a>(entry: &'a Entry, entries: &[Entry], site: &Site) -> Result<Option<Mention<'a>>> {
    if WORDS.iter().any(|word| entry.is(word)) {
        return Ok(None);
    }
    let (name, path, arguments) = match &entry.value {
        Value::Bare => (None, &entry.path, None),
        Value::List(group) => (None, &entry.path, Some(group)),
        Value::Assigned(value) => match (entry.word(), &value.call) {
            (Some(name), Some(call)) if names_a_service(name, call) => {
                (Some(name), &call.path, call.arguments.as_ref())
            }
            _ => return Err(misplaced(entry, &value.expression, entries)),
        },
    };
    match Kind::of(path) {
        Some(Kind::BuiltIn(kind)) if kind.takes_image && !site.containers => {
            let word = kind.word;
            let message = format!(
                "`{word}(…)` needs the feature `testcontainers` of container-test: turn it on in \
                 `Cargo.toml`"
            );
            Err(Error::new_spanned(path, message))
        }
        Some(kind) => Ok(Some(Mention {
            name,
            path,
            kind,
            arguments,
            entry,
        })),
        None if name.is_some() => Err(Error::new_spanned(path, unknown_service(path))),
        None => Err(Error::new_spanned(path, unknown(entry, entries))),
    }
}

/// Whether `name = path` or `name = path(…)` gives a service a name. A misspelt word does so as
/// well; another word in lower case may be the value of a misspelt option.
fn names_a_service(name: &Ident, call: &Call) -> bool {
    let misspelt = || {
        let is_close = value::nearest(&written(&call.path), words()).is_some();
        BuiltIn::of(name).is_none() && (call.arguments.is_some() || is_close)
    };
    Kind::of(&call.path).is_some() || misspelt()
}

/// The mistake in `entry = value`, if the value is no service.
fn misplaced(entry: &Entry, value: &syn::Expr, entries: &[Entry]) -> Error {
    let Some(word) = entry.word() else {
        let path = written(&entry.path);
        let message = format!(
            "the options of a service go into its parentheses: write `{path}(field = value)`"
        );
        return Error::new_spanned(value, message);
    };
    match BuiltIn::of(word) {
        Some(kind) => {
            let message = format!("`{word}` is a service: write {}", kind.usage());
            Error::new_spanned(value, message)
        }
        None => Error::new_spanned(word, unknown(entry, entries)),
    }
}

fn words() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().map(|kind| kind.word)
}

fn unknown_service(path: &Path) -> String {
    let word = written(path);
    let words: Vec<&str> = words().collect();
    format!(
        "unknown service `{word}`: {}",
        value::suggestion(&word, &words)
    )
}

fn unknown(entry: &Entry, entries: &[Entry]) -> String {
    let name = written(&entry.path);
    let owners = || {
        let word = entry.word();
        BUILT_IN
            .into_iter()
            .filter(move |kind| word.is_some_and(|word| kind.rule(word).is_some()))
    };
    let declared = |kind: &&BuiltIn| entries.iter().any(|entry| entry.is(kind.word));
    if let Some(owner) = owners().find(declared).or_else(|| owners().next()) {
        let value = match &entry.value {
            Value::Assigned(value) => value.expression.to_token_stream().to_string(),
            Value::Bare | Value::List(_) => "…".to_owned(),
        };
        return format!(
            "`{name}` is an option of a service: write `{}`",
            owner.example(&format!("{name} = {value}"))
        );
    }
    let names: Vec<&str> = words().chain(WORDS).collect();
    let mut message = format!(
        "unknown service or option `{name}`: {}",
        value::suggestion(&name, &names)
    );
    let may_be_a_type = !matches!(entry.value, Value::Assigned(_));
    if may_be_a_type && value::nearest(&name, names).is_none() {
        message.push_str("; any other service is the path of a type, as in `my_crate::Nats`");
    }
    message
}

/// Returns the name of a service among those before it.
fn name(mention: &Mention<'_>, others: &[Service]) -> Result<String> {
    let kind = &mention.kind;
    let name = match mention.name {
        Some(name) => chosen_name(name)?,
        None => kind.default_name(),
    };
    let Some(other) = others.iter().find(|other| other.name == name) else {
        return Ok(name);
    };
    let written = kind.written();
    if let Some(at) = mention.name {
        let message = format!("two services are named `{name}`: choose another name for one");
        return Err(Error::new_spanned(at, message));
    }
    let message = if other.kind.is(kind) {
        format!(
            "`{written}` is declared twice: name the services, as in `orders = {written}(…), billing = {written}(…)`"
        )
    } else {
        format!(
            "two services are named `{name}`: choose a name for this one, as in `other = {written}`"
        )
    };
    Err(Error::new_spanned(mention.entry, message))
}

fn chosen_name(word: &Ident) -> Result<String> {
    let name = word.unraw().to_string();
    let problem = if BuiltIn::of(word).is_some() {
        "is a word of this attribute"
    } else if syn::parse_str::<Ident>(&name).is_err() {
        "is a keyword of Rust"
    } else {
        return Ok(name);
    };
    let message =
        format!("`{name}` {problem} and cannot be a name: choose another, such as `orders`");
    Err(Error::new_spanned(word, message))
}
