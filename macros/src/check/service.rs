//! What stands in the parentheses of a service.

use proc_macro2::{Group, Span};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident};

use super::fixtures;
use super::kinds::{BUILT_IN, BuiltIn, Kind};
use super::options::WORDS;
use super::seeds::{self, Seed, Target};
use super::services::Mention;
use super::setting::{self, Setting};
use super::value;
use crate::parse::{self, Entry, Errors, Value, written};
use crate::site::Site;

/// A declared service.
pub(crate) struct Service {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its options by their fields, in the order written.
    pub(crate) options: Vec<(Ident, Setting)>,
    /// Its own seeds, in the order written.
    pub(crate) seeds: Vec<Seed>,
}

impl Service {
    /// Returns how it is written, with `options` in its parentheses.
    pub(crate) fn example(&self, options: &str) -> String {
        let call = match &self.kind {
            Kind::BuiltIn(kind) => kind.example(options),
            Kind::Custom(path) => format!("{}({options})", written(path)),
        };
        if self.name == self.kind.default_name() {
            call
        } else {
            format!("{} = {call}", self.name)
        }
    }
}

/// Reads one service; mistakes go to `errors`. One without `name` has a mistake in it already.
pub(crate) fn check(
    mention: &Mention<'_>,
    name: Option<&String>,
    site: &Site,
    errors: &mut Errors,
) -> Service {
    let kind = &mention.kind;
    let mut service = Service {
        name: name.cloned().unwrap_or_default(),
        kind: kind.clone(),
        options: Vec::new(),
        seeds: Vec::new(),
    };
    let entries = entries(mention, &mut service, errors);
    let mut seen: Vec<String> = Vec::new();
    for entry in &entries {
        let name = written(&entry.path);
        let is_fixtures = is_list(kind, entry, "fixtures");
        if seen.contains(&name) && !is_fixtures {
            errors.push(entry, format!("`{name}` is given twice: keep one"));
            continue;
        }
        seen.push(name);
        if is_fixtures || is_list(kind, entry, "seeds") {
            let target = Target::Service(kind, &service.name);
            let before: Vec<&Seed> = service.seeds.iter().collect();
            let read = if is_fixtures {
                fixtures::check
            } else {
                seeds::check
            };
            let seeds = read(entry, &target, &before, site, errors);
            service.seeds.extend(seeds);
            continue;
        }
        let option = match kind {
            Kind::BuiltIn(kind) => option(kind, entry, site),
            Kind::Custom(_) => field(kind, entry),
        };
        match option {
            Ok(option) => service.options.push(option),
            Err(error) => errors.absorb(error),
        }
    }
    service
}

/// The entries between the parentheses, after the image of a container.
fn entries(mention: &Mention<'_>, service: &mut Service, errors: &mut Errors) -> Vec<Entry> {
    let tokens = mention.arguments.map(Group::stream);
    match &mention.kind {
        Kind::BuiltIn(kind) if kind.takes_image => {
            let tokens = tokens.filter(|tokens| !tokens.is_empty());
            let Some(tokens) = tokens else {
                let message = format!("`{}` takes an image: write {}", kind.word, kind.usage());
                errors.push(mention.path, message);
                return Vec::new();
            };
            let (image, entries) = parse::expression_and_entries(tokens, OPTION, errors);
            match image {
                Some(image @ Expr::Assign(_)) => {
                    let message = format!("the image comes first: write {}", kind.usage());
                    errors.push(image, message);
                }
                Some(image) => {
                    let span = image.span().resolved_at(Span::call_site());
                    let name = Ident::new("image", span);
                    service.options.push((name, Setting::Container(image)));
                }
                None => {}
            }
            entries
        }
        Kind::BuiltIn(_) => parse::entries(tokens.unwrap_or_default(), OPTION, errors),
        Kind::Custom(_) => parse::entries(tokens.unwrap_or_default(), FIELD, errors),
    }
}

const OPTION: &str = "an option of the service: write `option = value`";
const FIELD: &str = "a field of the service: write `field = value`";

/// Whether an entry is `seeds(…)` or `fixtures(…)`. The type of a service may have a field of that name.
fn is_list(kind: &Kind, entry: &Entry, word: &str) -> bool {
    let may_be_a_field = matches!(
        (kind, &entry.value),
        (Kind::Custom(_), Value::Assigned(_) | Value::Bare)
    );
    entry.is(word) && !may_be_a_field
}

fn option(kind: &BuiltIn, entry: &Entry, site: &Site) -> syn::Result<(Ident, Setting)> {
    let found = entry.word().and_then(|name| Some((name, kind.rule(name)?)));
    let Some((name, rule)) = found else {
        return Err(Error::new_spanned(&entry.path, unknown(kind, entry)));
    };
    Ok((name.clone(), setting::check(rule, entry, site)?))
}

fn field(kind: &Kind, entry: &Entry) -> syn::Result<(Ident, Setting)> {
    if let (Some(name), Value::Assigned(value)) = (entry.word(), &entry.value) {
        return Ok((name.clone(), Setting::Field(value.expression.clone())));
    }
    let message = format!(
        "the options of `{}` are its fields: write `field = value`",
        kind.written()
    );
    Err(Error::new_spanned(entry, message))
}

fn unknown(kind: &BuiltIn, entry: &Entry) -> String {
    let name = written(&entry.path);
    let has = |other: &&&BuiltIn| entry.word().is_some_and(|name| other.rule(name).is_some());
    if let Some(other) = BUILT_IN.iter().find(has) {
        return format!(
            "`{}` has no option `{name}`: take it out, it is an option of `{}`",
            kind.word, other.word
        );
    }
    if WORDS.iter().any(|word| entry.is(word)) {
        return format!(
            "`{name}` belongs to the test, not to `{0}`: write it after `{0}(…),`",
            kind.word
        );
    }
    let names = kind.options.iter().map(|rule| rule.name);
    let names: Vec<&str> = names.chain(["seeds"]).collect();
    format!(
        "`{}` has no option `{name}`: {}",
        kind.word,
        value::suggestion(&name, &names)
    )
}
