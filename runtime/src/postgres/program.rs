//! What tells the running program from another build of it.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::sync::OnceLock;

use crate::config;
use crate::hash::hex;
use crate::{Error, Result};

/// Returns a text that differs between builds whose code differs. It is read once per process.
pub(super) fn fingerprint() -> Result<&'static str> {
    static FINGERPRINT: OnceLock<Result<String, String>> = OnceLock::new();
    let fingerprint = FINGERPRINT.get_or_init(|| {
        let mut program = File::open(config::program()).map_err(|error| error.to_string())?;
        if let Some(id) = build_id(&mut program) {
            return Ok(hex(&id));
        }
        contents(&mut program).map_err(|error| error.to_string())
    });
    fingerprint
        .as_deref()
        .map_err(|cause| Error::new("read the program of the test").because(cause.as_str()))
}

/// Returns what the linker has derived from an ELF program, if it has been asked to: linkers of most
/// systems are. To hash 90 MB takes up to half a second, this a few reads.
fn build_id(program: &mut File) -> Option<Vec<u8>> {
    const NOTE: u32 = 4;
    let header = read(program, 0, 64)?;
    // 64 bits, the lowest byte first.
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (at, size, count) = (
        number(&header, 32, 8)?,
        number(&header, 54, 2)?,
        number(&header, 56, 2)?,
    );
    for index in 0..count {
        let segment = read(program, at + index * size, size)?;
        if number(&segment, 0, 4)? == u64::from(NOTE) {
            let notes = read(program, number(&segment, 8, 8)?, number(&segment, 32, 8)?)?;
            if let Some(id) = build_id_of(&notes) {
                return Some(id);
            }
        }
    }
    None
}

/// Finds the note that has it.
fn build_id_of(mut notes: &[u8]) -> Option<Vec<u8>> {
    const BUILD_ID: u64 = 3;
    while notes.len() >= 12 {
        let (name, id) = (size(notes, 0)?, size(notes, 4)?);
        let begin = 12 + name.next_multiple_of(4);
        let found = notes.get(begin..begin + id)?;
        if number(notes, 8, 4)? == BUILD_ID && notes.get(12..12 + name)? == b"GNU\0" {
            return Some(found.to_vec());
        }
        notes = notes.get(begin + id.next_multiple_of(4)..)?;
    }
    None
}

/// Reads a part of the program; none if the numbers in it are wrong.
fn read(program: &mut File, at: u64, size: u64) -> Option<Vec<u8>> {
    const LARGEST: u64 = 1 << 20;
    let size = usize::try_from(size).ok().filter(|_| size <= LARGEST)?;
    let mut bytes = vec![0; size];
    program.seek(SeekFrom::Start(at)).ok()?;
    program.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Returns the number in some bytes, the lowest first.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + size)?.iter().rev();
    Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    number(bytes, at, 4)?.try_into().ok()
}

/// Returns a hash of all of a program.
fn contents(program: &mut File) -> std::io::Result<String> {
    program.rewind()?;
    let mut hash = DefaultHasher::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match program.read(&mut bytes)? {
            0 => return Ok(format!("{:016x}", hash.finish())),
            read => hash.write(&bytes[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_has_a_fingerprint() {
        assert!(fingerprint().unwrap().len() >= 16);
        assert_eq!(fingerprint().unwrap(), fingerprint().unwrap());
    }

    #[test]
    fn the_build_id_is_found_among_notes() {
        let note = |kind: u8, id: &[u8]| {
            let mut note = vec![4, 0, 0, 0];
            note.extend(u32::try_from(id.len()).unwrap().to_le_bytes());
            note.extend([kind, 0, 0, 0]);
            note.extend(b"GNU\0");
            note.extend(id);
            note.resize(note.len().next_multiple_of(4), 0);
            note
        };
        let notes = [note(1, b"abi"), note(3, b"build")].concat();
        assert_eq!(build_id_of(&notes).unwrap(), b"build");
        assert_eq!(build_id_of(&note(1, b"abi")), None);
        assert_eq!(build_id_of(&notes[..20]), None);
    }

    #[test]
    fn a_program_without_a_build_id_is_told_by_its_contents() {
        let of = |text: &str| {
            let path = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(path.path(), text).unwrap();
            let mut program = File::open(path.path()).unwrap();
            assert_eq!(build_id(&mut program), None);
            contents(&mut program).unwrap()
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }
}
