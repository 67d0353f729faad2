//! Hashes and random characters.

use std::hash::{DefaultHasher, Hasher};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Returns 128 random bits in hexadecimal, for passwords and names.
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new("get random bytes").because(error.to_string()))?;
    Ok(hex(&bytes))
}

/// Returns the first `bytes` bytes of a text's SHA-256 hash in hexadecimal.
pub(crate) fn digest(text: impl AsRef<[u8]>, bytes: usize) -> String {
    hex(&Sha256::digest(text)[..bytes])
}

/// Returns the first 48 bits of a hash in hexadecimal, for names that all processes of a user derive.
///
/// The hash is the standard library's, which is compiled with optimisations also where the test is
/// not: every process needs it. With another compiler it may be another one, and so may be what the
/// name stands for.
pub(crate) fn short(hash: &DefaultHasher) -> String {
    format!("{:012x}", hash.finish() >> 16)
}

/// Returns lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}
