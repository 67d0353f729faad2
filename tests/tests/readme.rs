//! The first example of the README is the crate `examples/quick-start`, word for word.

// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

/// Returns the text of a file of the repository.
fn file(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// Returns the README's first block of code in a language.
fn shown(language: &str) -> String {
    let readme = file("README.md");
    let block = readme.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().trim().to_owned()
}

#[test]
fn the_readme_shows_the_test_of_the_quick_start() {
    let test = file("examples/quick-start/tests/sign_up.rs");
    let code = test.split_once("\n\n").unwrap().1.trim();
    assert_eq!(shown("rust"), code, "the README and the example differ");
}

#[test]
fn the_readme_shows_the_migration_of_the_quick_start() {
    let migration = file("examples/quick-start/migrations/0001_create_users.sql");
    assert_eq!(
        shown("sql"),
        migration.trim(),
        "the README and the example differ"
    );
}

/// The example takes its dependency from the workspace, so only the name and the version are
/// compared.
#[test]
fn the_readme_shows_the_dependencies_of_the_quick_start() {
    let manifest = file("examples/quick-start/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]\n").nth(1).unwrap();
    let names: Vec<&str> = dependencies
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split(['.', ' ']).next())
        .collect();
    assert_eq!(names, ["container-test"]);
    let version = concat!(
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    );
    let lines = format!("[dev-dependencies]\ncontainer-test = \"{version}\"");
    assert_eq!(shown("toml"), lines);
}
