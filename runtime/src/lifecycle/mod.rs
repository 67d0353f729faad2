//! What ends the servers that are started, and what the processes of one user share on this
//! machine: a cache directory with file locks.

pub(crate) mod addresses;
mod cache;
mod failures;
pub(crate) mod holder;
mod owner;
pub(crate) mod private;
mod room;
mod shell;
pub(crate) mod watchdog;

pub(crate) use self::cache::Cache;
pub(crate) use self::failures::{ELSEWHERE, Failures};
pub(crate) use self::owner::{Owner, user_name};
pub(crate) use self::room::free;
pub(crate) use self::shell::{MAKE_ROOM, NO_ROOM, guarded, run, shell};
