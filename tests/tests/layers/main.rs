//! The sources of `runtime` keep to the layers that ARCHITECTURE.md lists.
//!
//! Each rule is a function over a crate's sources (a map of paths to text) and returns where they
//! break it. Every rule is tested on small made-up sources as well, so that a rule that finds
//! nothing in the real ones is known to work. Code that only tests compile is exempt.
//!
//! What no rule sees: calls of methods, whose files are not named; and names that a macro makes.
// Sources that cannot be read or parsed fail the test that reads them.
#![allow(clippy::unwrap_used)]

mod arrows;
mod clients;
mod cycles;
mod names;
mod panics;
mod resolve;
mod source;
mod tokens;
mod words;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use self::resolve::Crate;
use self::source::{Sources, Violation};

type Rule = fn(&Crate) -> Vec<Violation>;

const RULES: &[(&str, Rule)] = &[
    ("every file is in a layer", arrows::files_without_a_layer),
    ("lib.rs only re-exports", arrows::definitions_in_the_root),
    ("imports go down", arrows::wrong_arrows),
    (
        "files do not depend on each other in cycles",
        cycles::cycles,
    ),
    (
        "testcontainers and bollard are named in lib.rs, engine/library.rs and containers/ only",
        words::container_crates,
    ),
    (
        "the environment is read in config.rs only",
        words::environment,
    ),
    (
        "types of database clients are public in lib.rs and clients/ only",
        clients::public_client_types,
    ),
    ("only run.rs panics", panics::panics),
];

#[test]
fn the_runtime_keeps_to_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    let mut sources = Sources::new();
    read(&root, &root, &mut sources);
    assert!(!sources.is_empty(), "no sources in {}", root.display());
    let runtime = Crate::parse(&sources);
    let mut report = String::new();
    for (name, rule) in RULES {
        let violations = rule(&runtime);
        if violations.is_empty() {
            continue;
        }
        writeln!(report, "\n{name} ({} violations):", violations.len()).unwrap();
        for violation in violations {
            writeln!(report, "  runtime/src/{violation}").unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Adds the Rust files below a directory, by their paths from the root.
fn read(root: &Path, directory: &Path, sources: &mut Sources) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let components: Vec<_> = path.strip_prefix(root).unwrap().iter().collect();
            let name = components.join("/".as_ref()).into_string().unwrap();
            sources.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Returns the violations of a rule in made-up sources, as lines of text.
fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let sources = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    let violations = rule(&Crate::parse(&sources));
    violations.iter().map(ToString::to_string).collect()
}

/// Fails unless each line begins as expected, and there are no more lines.
#[track_caller]
fn assert_found(lines: &[String], beginnings: &[&str]) {
    let matches = lines.len() == beginnings.len()
        && lines
            .iter()
            .zip(beginnings)
            .all(|(line, beginning)| line.starts_with(beginning));
    assert!(matches, "found {lines:#?}, expected {beginnings:#?}");
}
