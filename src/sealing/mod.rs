//! The only user of the crypto library: master keys, sealed secrets, macs, digests, random bytes.
//!
//! A secret is sealed under a subkey of the master key, and bound to the row it belongs to. What does not open is
//! refused: there is no plaintext form to fall back to.

mod master_key;
mod primitives;
mod sealer;

pub use master_key::{HOW_TO_MAKE_A_KEY, MasterKey, MasterKeyFault};
pub use primitives::{constant_time_eq, length_prefixed, random, sha256};
pub use sealer::{Bound, HEAD, Sealer};
