//! What the compiler says about uses of the attribute: the files in `ui/tests`.
//!
//! A plain compile-fail harness compiles binaries, where a `#[test]` is left out before its types
//! are looked at. So the files are test targets of a crate, which is checked once.
//!
//! `UI=overwrite cargo test -p container-test-tests --test ui` writes the expected messages anew;
//! read what it wrote.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

#[test]
fn every_mistake_is_reported_where_it_is_made_and_correct_uses_without_a_word() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let said = check(&project);
    let mut failures = String::new();
    for case in cases(&project) {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let said = said.get(name).map_or("", String::as_str);
        let expected = case.with_extension("stderr");
        if name.starts_with("accepts_") {
            if !said.is_empty() {
                let _ = writeln!(failures, "{name} is correct, but the compiler says:\n{said}");
            }
        } else if env::var_os("UI").is_some_and(|what| what == "overwrite") {
            fs::write(&expected, said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said || said.is_empty() {
            let expected = fs::read_to_string(&expected).unwrap_or_default();
            let _ = writeln!(failures, "{name}\n--- expected\n{expected}--- said\n{said}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn cases(project: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(project.join("tests")).unwrap().map(|file| file.unwrap().path());
    let mut cases: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect();
    cases.sort();
    cases
}

/// Checks every file, and returns what the compiler said about each.
fn check(project: &Path) -> BTreeMap<String, String> {
    // The versions that the workspace has, so that nothing is compiled or downloaded anew.
    fs::copy(project.join("../../Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--tests", "--keep-going", "--offline", "--message-format=json"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let mut said = BTreeMap::<String, String>::new();
    let mut finished = false;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        finished |= line["reason"] == "build-finished";
        let in_project = line["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(project));
        if line["reason"] == "compiler-message" && in_project {
            let target = line["target"]["name"].as_str().unwrap().to_owned();
            said.entry(target).or_default().push_str(&render(&line["message"], project));
        }
    }
    let dependencies = format!("no case was checked:\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(finished && !said.is_empty(), "{dependencies}");
    said
}

/// A message as its reader needs it: what, at which tokens, and what to do. Snippets of other
/// files and lists of implementations are left out, since they change with every release.
fn render(message: &Value, project: &Path) -> String {
    let mut text = String::new();
    let spans = message["spans"].as_array().unwrap();
    if spans.is_empty() {
        // The count of errors at the end.
        return text;
    }
    let first_line = |message: &Value| message["message"].as_str().unwrap().lines().next().unwrap_or_default().to_owned();
    let whole = message["message"].as_str().unwrap();
    let _ = writeln!(text, "{}: {whole}", message["level"].as_str().unwrap());
    for span in spans {
        let _ = writeln!(text, "  at {}", place(span));
    }
    for child in message["children"].as_array().unwrap() {
        let _ = writeln!(text, "  {}: {}", child["level"].as_str().unwrap(), first_line(child));
    }
    text.push('\n');
    text.replace(project.to_str().unwrap(), "$DIR")
}

/// The tokens that a span marks, where they are and what is said about them.
fn place(span: &Value) -> String {
    let file = span["file_name"].as_str().unwrap();
    let label = span["label"].as_str().map(|label| format!(": {label}")).unwrap_or_default();
    let name = Path::new(file).file_name().unwrap().to_string_lossy();
    if !file.starts_with("tests/") {
        return format!("{name}{label}");
    }
    let number = |name: &str| usize::try_from(span[name].as_u64().unwrap()).unwrap();
    let lines = span["text"].as_array().unwrap();
    let marked = match &lines[..] {
        [line] => {
            let (start, end) = (number("column_start") - 1, number("column_end") - 1);
            line["text"].as_str().unwrap().chars().skip(start).take(end - start).collect()
        }
        lines => format!("{} lines", lines.len()),
    };
    format!("{name}:{}:{} `{marked}`{label}", number("line_start"), number("column_start"))
}
