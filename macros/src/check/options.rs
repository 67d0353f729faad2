//! The options of the test: every entry that is no service.

use syn::{Error, Expr, Ident, Path, PathArguments, Result};

use super::migrations::{self, Migrations};
use super::seeds::{self, Seed, Target};
use super::services::Services;
use super::setting::Setting;
use super::{Declaration, Flavor, fixtures, value};
use crate::parse::{Entry, Errors, Value};
use crate::site::Site;

/// The words of the attribute that are no services.
pub(crate) const WORDS: [&str; 8] = [
    "migrations",
    "migrator",
    "seeds",
    "fixtures",
    "timeout",
    "flavor",
    "worker_threads",
    "crate",
];

/// Reads the options; mistakes go to `errors`, and migrations to the service that they are for.
pub(crate) fn check(
    entries: &[Entry],
    services: &mut Services,
    site: &Site,
    errors: &mut Errors,
) -> Declaration {
    let mut declaration = Declaration::default();
    let options = each_once(entries, errors);
    for entry in &options {
        if let Err(error) = option(entry, &mut declaration, services, site, errors) {
            errors.absorb(error);
        }
    }
    threads(&options, &mut declaration, errors);
    declaration
}

fn each_once<'a>(entries: &'a [Entry], errors: &mut Errors) -> Vec<&'a Entry> {
    let mut once: Vec<&Entry> = Vec::new();
    for entry in entries {
        let Some(word) = WORDS.into_iter().find(|word| entry.is(word)) else {
            continue;
        };
        if word != "fixtures" && once.iter().any(|other| other.is(word)) {
            errors.push(entry, format!("`{word}` is given twice: keep one"));
        } else {
            once.push(entry);
        }
    }
    once
}

fn option(
    entry: &Entry,
    declaration: &mut Declaration,
    services: &mut Services,
    site: &Site,
    errors: &mut Errors,
) -> Result<()> {
    if entry.is("migrations") {
        migrations(entry, migrations::check(entry, site), services)?;
    } else if entry.is("migrator") {
        migrations(entry, migrations::migrator(entry), services)?;
    } else if entry.is("seeds") || entry.is("fixtures") {
        let seeds = services.all.iter().flat_map(|service| &service.seeds);
        let before: Vec<&Seed> = seeds.chain(&declaration.seeds).collect();
        let target = Target::Test(services);
        let read = if entry.is("seeds") {
            seeds::check
        } else {
            fixtures::check
        };
        let seeds = read(entry, &target, &before, site, errors);
        declaration.seeds.extend(seeds);
    } else if entry.is("timeout") {
        let value = value::assigned(entry, "timeout = \"30s\"")?;
        declaration.timeout = Some(value::duration(value, "timeout")?);
    } else if entry.is("flavor") {
        declaration.flavor = Some(flavor(value::assigned(entry, FLAVOR)?)?);
    } else if entry.is("crate") {
        declaration.crate_path = Some(crate_path(entry)?);
    }
    Ok(())
}

/// Moves the migrations of the test to the service that they are for.
fn migrations(
    entry: &Entry,
    migrations: Result<Migrations>,
    services: &mut Services,
) -> Result<()> {
    let Some(word) = entry.word() else {
        return Ok(());
    };
    let inside = "migrations = …";
    let Some(position) = services.only("postgres", word, "migrations need", inside)? else {
        return migrations.map(drop);
    };
    let service = &mut services.all[position];
    if service
        .options
        .iter()
        .any(|(other, _)| other == "migrations")
    {
        let message = format!(
            "`{}` has migrations already: keep one of the two",
            service.name
        );
        return Err(Error::new_spanned(entry, message));
    }
    let field = Ident::new("migrations", word.span());
    let migrations = Setting::Migrations(migrations?);
    service.options.push((field, migrations));
    Ok(())
}

fn crate_path(entry: &Entry) -> Result<Path> {
    const EXAMPLE: &str = "crate = my_crate::container_test";
    let value = value::assigned(entry, EXAMPLE)?;
    let call = match &entry.value {
        Value::Assigned(value) => value.call.as_ref(),
        Value::Bare | Value::List(_) => None,
    };
    let is_plain = |path: &Path| {
        let mut segments = path.segments.iter();
        segments.all(|segment| matches!(segment.arguments, PathArguments::None))
    };
    match call {
        Some(call) if call.arguments.is_none() && is_plain(&call.path) => Ok(call.path.clone()),
        _ => Err(Error::new_spanned(
            value,
            format!("expected the path of the crate `container_test`: write `{EXAMPLE}`"),
        )),
    }
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

/// `worker_threads` applies only to the flavor that has several.
fn threads(entries: &[&Entry], declaration: &mut Declaration, errors: &mut Errors) {
    const EXAMPLE: &str = "worker_threads = 2";
    let given = |word: &str| entries.iter().find(|entry| entry.is(word));
    let Some(entry) = given("worker_threads") else {
        return;
    };
    let count = value::assigned(entry, EXAMPLE).and_then(|value| value::count(value, EXAMPLE));
    match (count, &mut declaration.flavor) {
        (Err(error), _) => errors.absorb(error),
        (Ok(count), Some(Flavor::MultiThread(threads))) => *threads = Some(count),
        // A flavor that was not understood has its own message.
        (Ok(_), None) if given("flavor").is_some() => {}
        (Ok(_), _) => errors.push(
            &entry.path,
            format!("`worker_threads` needs several threads: write `{FLAVOR}` too"),
        ),
    }
}
