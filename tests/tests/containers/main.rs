//! Containers of any image, on a Docker engine: without one, these tests fail and say so.
#![cfg(target_os = "linux")] // Processes are found in /proc.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong fails the test that called"
)]

mod cases;
mod handle;
mod images;
mod leaves_nothing;
mod mistakes;
mod runs;
mod sharing;
