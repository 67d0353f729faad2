//! The programs that this machine has for servers, the room for their data, and what ended servers
//! have left.

use super::directory::{self, ROOM};
use super::programs::find;
use super::running::owners;
use super::version;
use crate::Result;
use crate::config::Config;
use crate::lifecycle::free;
use crate::provider::machine::{FoundProgram, Left, Room};
use crate::service::ServerSpec;

/// Returns the programs of the specs that are there.
pub(in crate::provider) fn programs(config: &Config, specs: &[ServerSpec]) -> Vec<FoundProgram> {
    let found = specs.iter().filter_map(|spec| {
        let programs = find(config, spec).ok()?;
        Some(FoundProgram {
            service: spec.service,
            version: version::said(programs.server()),
            path: programs.server().to_owned(),
        })
    });
    found.collect()
}

/// Returns the room where local servers may have their data; the next one has them where `used` is
/// set.
pub(in crate::provider) fn room(config: &Config) -> Vec<Room> {
    let used = directory::root(config);
    let roots = directory::roots(config).into_iter();
    roots
        .map(|directory| Room {
            free: free(&directory),
            needed: ROOM,
            used: directory == used,
            directory,
        })
        .collect()
}

/// Returns the directories of servers that have ended.
pub(in crate::provider) fn left(config: &Config, specs: &[ServerSpec]) -> Result<Vec<Left>> {
    let left = directory::left(config, &owners(config, specs)?).into_iter();
    let left = left.map(|directory| Left {
        kind: "directory",
        name: directory.display().to_string(),
    });
    Ok(left.collect())
}
