//! Test binaries that run without a runner.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Compiles test binaries with a command of Cargo, and returns where they are.
///
/// # Panics
///
/// If they do not compile.
#[must_use]
pub fn compile<const N: usize>(test: &mut Command, names: [&str; N]) -> [PathBuf; N] {
    test.args(["--no-run", "--message-format=json"]);
    for name in names {
        test.args(["--test", name]);
    }
    let output = test.stderr(Stdio::inherit()).output();
    let output = output.expect("cargo starts");
    assert!(output.status.success(), "{names:?} do not compile");
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages: Vec<Value> = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    names.map(|name| {
        let is_test = |message: &&Value| {
            message["target"]["name"] == name && message["target"]["kind"][0] == "test"
        };
        let compiled = messages.iter().find(is_test);
        let path = compiled.and_then(|message| message["executable"].as_str());
        PathBuf::from(path.expect("the path of a test binary"))
    })
}
