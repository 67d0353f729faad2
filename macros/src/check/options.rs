//! The attribute's own entries.

use quote::ToTokens;
use syn::{Error, Expr, Result};

use super::service::{self, KINDS, Kind};
use super::{Declaration, Flavor, migrations, seeds, value};
use crate::parse::{Entry, Errors, Value};
use crate::site::Site;

/// The words of the attribute that are no services.
pub(crate) const WORDS: [&str; 5] = ["migrations", "seeds", "timeout", "flavor", "worker_threads"];

/// Which services there are, for the entries that need one.
pub(crate) struct Declared {
    names: Vec<&'static str>,
    /// Whether an entry was not understood: it may have been the service that others need.
    doubtful: bool,
}

impl Declared {
    /// Fails if the service is not declared, saying what needs it.
    pub(crate) fn require(&self, service: &str, at: impl ToTokens, what: &str) -> Result<()> {
        if self.doubtful || self.names.contains(&service) {
            return Ok(());
        }
        let message = format!(
            "{what} `{service}`, which the test does not declare: write `#[container_test({service}, …)]`"
        );
        Err(Error::new_spanned(at, message))
    }
}

/// Reads the attribute; its mistakes go to `errors`.
pub(crate) fn check(entries: &[Entry], site: &Site, errors: &mut Errors) -> Declaration {
    let mut declaration = Declaration::default();
    let known = known(entries, errors);
    let doubtful = !errors.is_empty();
    for entry in &known {
        if let Some(kind) = Kind::named(&entry.name) {
            declaration
                .services
                .push(service::check(kind, entry, errors));
        }
    }
    let names = declaration
        .services
        .iter()
        .map(|service| service.kind.name)
        .collect();
    let declared = Declared { names, doubtful };
    for entry in &known {
        if let Err(error) = option(entry, &mut declaration, &declared, site, errors) {
            errors.absorb(error);
        }
    }
    threads(&known, &mut declaration, errors);
    declaration
}

/// The entries whose names are known, each once.
fn known<'a>(entries: &'a [Entry], errors: &mut Errors) -> Vec<&'a Entry> {
    let mut known: Vec<&Entry> = Vec::new();
    for entry in entries {
        let name = &entry.name;
        if known.iter().any(|other| other.name == *name) {
            errors.push(entry, format!("`{name}` is given twice: keep one"));
        } else if Kind::named(name).is_some() || WORDS.iter().any(|word| name == word) {
            known.push(entry);
        } else {
            errors.push(name, unknown(entry, entries));
        }
    }
    known
}

fn unknown(entry: &Entry, entries: &[Entry]) -> String {
    let name = &entry.name;
    let owners = || KINDS.into_iter().filter(|kind| kind.takes(name));
    let declared = |kind: &&Kind| entries.iter().any(|entry| entry.name == kind.name);
    if let Some(owner) = owners().find(declared).or_else(|| owners().next()) {
        let value = match &entry.value {
            Value::Assigned(value) => value.to_token_stream().to_string(),
            Value::Bare | Value::List(_) => "…".to_owned(),
        };
        return format!(
            "`{name}` is an option of a service: write `{}({name} = {value})`",
            owner.name
        );
    }
    let names: Vec<&str> = KINDS
        .into_iter()
        .map(|kind| kind.name)
        .chain(WORDS)
        .collect();
    format!(
        "unknown service or option `{name}`: {}",
        value::suggestion(&name.to_string(), &names)
    )
}

/// Reads one entry that is no service.
fn option(
    entry: &Entry,
    declaration: &mut Declaration,
    declared: &Declared,
    site: &Site,
    errors: &mut Errors,
) -> Result<()> {
    if entry.name == "migrations" {
        declaration.migrations = Some(migrations::check(entry, declared, site)?);
    } else if entry.name == "seeds" {
        declaration.seeds = seeds::check(entry, declared, site, errors);
    } else if entry.name == "timeout" {
        let value = value::assigned(entry, "timeout = \"30s\"")?;
        declaration.timeout = Some(value::duration(value, "timeout")?);
    } else if entry.name == "flavor" {
        declaration.flavor = Some(flavor(value::assigned(entry, FLAVOR)?)?);
    }
    Ok(())
}

const FLAVOR: &str = "flavor = \"multi_thread\"";

fn flavor(value: &Expr) -> Result<Flavor> {
    match value::literal(value, FLAVOR)?.value().as_str() {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread(None)),
        other => {
            let suggestion = value::suggestion(other, &["current_thread", "multi_thread"]);
            Err(Error::new_spanned(
                value,
                format!("unknown flavor `{other}`: {suggestion}"),
            ))
        }
    }
}

/// `worker_threads` says something only about the flavor that has several.
fn threads(entries: &[&Entry], declaration: &mut Declaration, errors: &mut Errors) {
    const EXAMPLE: &str = "worker_threads = 2";
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    let Some(entry) = named("worker_threads") else {
        return;
    };
    let count = value::assigned(entry, EXAMPLE).and_then(|value| value::count(value, EXAMPLE));
    match (count, &mut declaration.flavor) {
        (Err(error), _) => errors.absorb(error),
        (Ok(count), Some(Flavor::MultiThread(threads))) => *threads = Some(count),
        // A flavor that was not understood has its own message.
        (Ok(_), None) if named("flavor").is_some() => {}
        (Ok(_), _) => errors.push(
            &entry.name,
            format!("`worker_threads` needs several threads: write `{FLAVOR}` too"),
        ),
    }
}
