//! Use of a database, and of a session in it, by one test after another.

mod alone;
mod memory;
pub(super) mod recycle;
pub(super) mod session;
pub(super) mod snapshot;
