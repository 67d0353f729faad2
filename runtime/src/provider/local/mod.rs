//! Servers from programs on this machine.
//!
//! Each start of a server has a directory of its own, on tmpfs where there is room. It holds the
//! data, the log, and `endpoint`, which says how to join the server. The process that holds the
//! server's lock starts it; the watchdog removes the directory when the server ends.

mod candidates;
mod directory;
mod gate;
mod join;
mod launch;
mod log;
mod machine;
mod programs;
mod provide;
mod running;
mod start;
mod version;

pub(super) use self::machine::{left, programs, room};
pub(super) use self::programs::{Programs, find};
pub(super) use self::provide::provide;
pub(super) use self::running::running;
