//! The code on the page "Write a service" is that of this crate.

use std::fs;
use std::path::Path;

/// Returns the lines without their indentation, and without empty ones at the ends.
fn lines(text: &str) -> Vec<&str> {
    text.trim().lines().map(str::trim).collect()
}

#[test]
fn every_block_of_code_is_in_the_sources() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/write-a-service.md"))?;
    let read = |path: &str| fs::read_to_string(root.join(path));
    let sources = [read("src/lib.rs")?, read("tests/accounts.rs")?];
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() > 10, "the page has {} blocks", blocks.len());
    for block in blocks {
        let block_lines = lines(block);
        let is_there = sources.iter().any(|source| {
            lines(source)
                .windows(block_lines.len())
                .any(|window| window == block_lines)
        });
        assert!(is_there, "not in the sources:\n{block}");
    }
    Ok(())
}
