//! The README's example is the crate `examples/quick-start`, word for word.

use std::fs;
use std::path::Path;

#[test]
fn the_readme_shows_the_quick_start() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let example = fs::read_to_string(root.join("examples/quick-start/tests/sign_up.rs")).unwrap();
    let code = example.split_once("\n\n").unwrap().1.trim();
    let shown = readme.split("```rust\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap().trim();
    assert_eq!(shown, code, "the README and the example differ");
}
