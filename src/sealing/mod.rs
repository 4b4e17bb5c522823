//! The only user of the crypto library: master keys, sealed secrets, MACs, digests, random bytes.
//!
//! A secret is sealed under a subkey of the master key, and bound to the row it belongs to. A blob that does not open is
//! refused: there is no fallback to plaintext.

mod master_key;
mod sealer;

use std::io;

use aws_lc_rs::{constant_time, digest as hash, rand};

use crate::domain::{Failure, Result};
pub use master_key::{HOW_TO_MAKE_A_KEY, MasterKey, MasterKeyFault};
pub use sealer::{Bound, HEAD, Sealer};

#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash::digest(&hash::SHA256, bytes).as_ref());
    out
}

/// The first `N` bytes of the SHA-256, at most 32: enough to tell values apart.
#[must_use]
pub fn short_digest<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let whole = sha256(bytes);
    std::array::from_fn(|index| whole[index])
}

/// The digest of everything that `reader` still has.
pub fn sha256_of(mut reader: impl io::Read) -> io::Result<[u8; 32]> {
    let mut context = hash::Context::new(&hash::SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => context.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Ok(out)
}

/// Two hexadecimal digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// `N` secure random bytes. Fails with `internal` if the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    rand::fill(&mut out).map_err(|_| Failure::internal("the system gives no random bytes"))?;
    Ok(out)
}

/// Whether two secrets are equal. The time it takes does not reveal where they differ.
#[must_use]
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Each part after its length, so that different lists of parts give different bytes.
#[must_use]
pub fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        push_prefixed(&mut out, &[part]);
    }
    out
}

/// Adds `pieces` as one part, after its length.
pub fn push_prefixed(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    out.extend_from_slice(&(length as u64).to_be_bytes());
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}
