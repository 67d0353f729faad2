//! What a machine has for servers: an engine, images, programs, room, the cache, and what ended
//! processes have left.

use std::path::PathBuf;

/// What a machine has for servers.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The engine, or why there is none.
    pub engine: std::result::Result<FoundEngine, String>,
    /// The images of the services; none without an engine.
    pub images: Vec<FoundImage>,
    /// The server programs that are there.
    pub programs: Vec<FoundProgram>,
    /// The room for the data of local servers.
    pub room: Vec<Room>,
    /// The cache.
    pub cache: FoundCache,
    /// What ended processes have left. The next start of a server removes it.
    pub left: Vec<Left>,
}

/// An engine that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEngine {
    /// Its name.
    pub name: String,
    /// Its version, if it says it.
    pub version: Option<String>,
    /// How it is reached.
    pub way: String,
}

/// The image of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// The service.
    pub service: &'static str,
    /// Its name, as the engine has it or would pull it.
    pub image: String,
    /// Whether the engine has it.
    pub present: bool,
}

/// The server program of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProgram {
    /// The service.
    pub service: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What it says when it is asked for its version.
    pub version: Option<String>,
}

/// Room for the data of local servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The directory.
    pub directory: PathBuf,
    /// Bytes that are free, if that is known.
    pub free: Option<u64>,
    /// Bytes that have to be free, or another directory is used.
    pub needed: u64,
    /// Whether the next server has its data there.
    pub used: bool,
}

/// The cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCache {
    /// The directory.
    pub directory: PathBuf,
    /// Bytes of all its files.
    pub size: u64,
    /// Bytes that are free, if that is known.
    pub free: Option<u64>,
}

/// Something that an ended process has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// `container` or `directory`.
    pub kind: &'static str,
    /// The container's id, or the directory.
    pub name: String,
}
