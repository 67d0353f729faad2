//! What the suites share: crates scaffolded outside the workspace, real `cargo test` runs on
//! them, and what such a run leaves on the machine and on the Docker engine.

#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a library of tests: what goes wrong fails the test that called"
)]

pub mod binaries;
pub mod ends;
pub mod engine;
pub mod local;
pub mod processes;
pub mod project;
pub mod random;
pub mod run;
pub mod servers;
