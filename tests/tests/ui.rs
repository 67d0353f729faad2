//! What the compiler and clippy say about uses of the attribute: the files in `ui/tests`.
//!
//! A plain compile-fail harness compiles binaries, where a `#[test]` is left out before its types
//! are looked at. So the files are test targets of a crate, which is checked once.
//!
//! `UI=overwrite cargo test -p container-test-tests --test ui` writes the expected messages again;
//! read what it wrote.

// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

#[test]
fn every_mistake_is_reported_where_it_is_made() {
    let cases = cases(|name| !name.starts_with("accepts_"));
    let mut said = ask("check", &cases);
    let mut failures = String::new();
    for case in &cases {
        let said = said.remove(case).unwrap_or_default();
        let file = project().join("tests").join(case).with_extension("stderr");
        if env::var_os("UI").is_some_and(|what| what == "overwrite") {
            fs::write(&file, &said).unwrap();
        }
        let expected = fs::read_to_string(file).unwrap_or_default();
        if said != expected || said.is_empty() {
            let _ = writeln!(failures, "{case}\n--- expected\n{expected}--- said\n{said}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn correct_uses_pass_without_a_word_even_from_clippy() {
    let cases = cases(|name| name.starts_with("accepts_"));
    let said = ask("clippy", &cases);
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn the_note_about_features_has_that_of_every_client() {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime");
    let read = |file: PathBuf| fs::read_to_string(file).unwrap();
    let (manifest, note) = (
        read(runtime.join("Cargo.toml")),
        read(runtime.join("src/inject.rs")),
    );
    // A feature is named as the file, but for the dashes.
    let features = manifest
        .lines()
        .filter_map(|line| line.split_once(" = [")?.0.into());
    let features: BTreeMap<String, &str> = features
        .map(|feature: &str| (feature.replace('-', "_"), feature))
        .collect();
    let mut clients = 0;
    for service in ["postgres", "redis"] {
        for file in fs::read_dir(runtime.join("src").join(service).join("clients")).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            if file.is_file() && read(file).contains("FromContext<D> for") && name != "sqlx" {
                let feature = format!("`{}`", features[&name]);
                assert!(note.contains(&feature), "{feature}");
                clients += 1;
            }
        }
    }
    assert!(clients > 10, "{clients}");
}

/// The crate whose test targets are the cases.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ui")
}

fn cases(chosen: impl Fn(&str) -> bool) -> Vec<String> {
    let files = fs::read_dir(project().join("tests")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = files.filter_map(|file| file.strip_suffix(".rs").map(str::to_owned));
    let mut cases: Vec<String> = names.filter(|name| chosen(name)).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// What a cargo command says about the cases that it says something about.
fn ask(command: &str, cases: &[String]) -> BTreeMap<String, String> {
    // The versions that the workspace has, so that nothing is compiled or downloaded again.
    fs::copy(
        project().join("../../Cargo.lock"),
        project().join("Cargo.lock"),
    )
    .unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            command,
            "--offline",
            "--keep-going",
            "--message-format=json",
        ])
        .args(cases.iter().map(|case| format!("--test={case}")))
        .current_dir(project())
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let mut said = BTreeMap::<String, String>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let case = line["target"]["name"].as_str().unwrap_or_default();
        if line["reason"] == "compiler-message" && cases.iter().any(|name| name == case) {
            said.entry(case.to_owned())
                .or_default()
                .push_str(&render(&line["message"]));
        }
    }
    // Without a word about a case it must have been a success: a dependency may have failed.
    let explained = output.status.success() || !said.is_empty();
    assert!(explained, "{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A message as its reader needs it: what, at which tokens, and what to do. Snippets of other
/// files and lists of implementations are left out, since they change with every release.
fn render(message: &Value) -> String {
    let mut text = String::new();
    let spans = message["spans"].as_array().unwrap();
    if spans.is_empty() {
        // The count of errors at the end.
        return text;
    }
    let said = |message: &Value| message["message"].as_str().unwrap().to_owned();
    let level = |message: &Value| message["level"].as_str().unwrap().to_owned();
    let _ = writeln!(text, "{}: {}", level(message), said(message));
    for span in spans {
        let _ = writeln!(text, "  at {}", place(span));
    }
    for child in message["children"].as_array().unwrap() {
        let (level, mut said) = (level(child), said(child));
        if level == "help" {
            said.truncate(said.find('\n').unwrap_or(said.len()));
        }
        let _ = writeln!(text, "  {level}: {}", said.replace('\n', "\n    "));
    }
    text.push('\n');
    text.replace(project().to_str().unwrap(), "$DIR")
}

/// The tokens that a span marks, where they are and what is said about them.
fn place(span: &Value) -> String {
    let file = span["file_name"].as_str().unwrap();
    let label = span["label"]
        .as_str()
        .map(|label| format!(": {label}"))
        .unwrap_or_default();
    let name = Path::new(file).file_name().unwrap().to_string_lossy();
    if !file.starts_with("tests/") {
        return format!("{name}{label}");
    }
    let number = |name: &str| usize::try_from(span[name].as_u64().unwrap()).unwrap();
    let lines = span["text"].as_array().unwrap();
    let marked = match &lines[..] {
        [line] => {
            let (start, end) = (number("column_start") - 1, number("column_end") - 1);
            line["text"]
                .as_str()
                .unwrap()
                .chars()
                .skip(start)
                .take(end - start)
                .collect()
        }
        lines => format!("{} lines", lines.len()),
    };
    format!(
        "{name}:{}:{} `{marked}`{label}",
        number("line_start"),
        number("column_start")
    )
}
