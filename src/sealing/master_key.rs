//! The master key: 32 bytes from which all other keys of the gateway are derived.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{random, sha256};
use crate::domain::Result;

/// The end of every sentence about a missing or invalid key.
pub const HOW_TO_MAKE_A_KEY: &str = "`contacts-gateway master-key generate` prints a new one.";

/// How many bytes of the key's digest are its id.
pub(super) const ID_BYTES: usize = 4;

/// A master key. Its `Debug` shows only the key id.
pub struct MasterKey {
    id: [u8; ID_BYTES],
    bytes: SecretBox<[u8; 32]>,
}

/// Why a text is not a master key. The text itself is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyFault {
    /// Invalid characters or padding.
    #[error("it is not base64; {HOW_TO_MAKE_A_KEY}")]
    NotBase64,
    /// Not 32 bytes.
    #[error("it must be 32 bytes in base64 (44 characters), but it has {0} bytes; {HOW_TO_MAKE_A_KEY}")]
    Length(usize),
    /// One byte repeated: a placeholder.
    #[error("it is one byte repeated, which is easy to guess; {HOW_TO_MAKE_A_KEY}")]
    Placeholder,
}

impl MasterKey {
    /// A new key. Fails with `internal` if the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self::from_bytes(SecretBox::new(Box::new(random()?))))
    }

    /// Reads a key from its base64 text.
    pub fn parse(text: &str) -> std::result::Result<Self, MasterKeyFault> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| MasterKeyFault::NotBase64)?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| MasterKeyFault::Length(bytes.len()))?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(MasterKeyFault::Placeholder);
        }
        Ok(Self::from_bytes(SecretBox::new(Box::new(key))))
    }

    fn from_bytes(bytes: SecretBox<[u8; 32]>) -> Self {
        let named =
            Zeroizing::new([b"contacts-gateway master key id".as_slice(), bytes.expose_secret()].concat());
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&sha256(&named)[..ID_BYTES]);
        Self { id, bytes }
    }

    /// The key's id: eight hexadecimal digits, which reveal nothing about the key.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id))
    }

    /// The text that [`Self::parse`] reads.
    #[must_use]
    pub fn text(&self) -> SecretString {
        STANDARD.encode(self.bytes.expose_secret()).into()
    }

    pub(super) const fn id_bytes(&self) -> [u8; ID_BYTES] {
        self.id
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        self.bytes.expose_secret()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_keeps_its_id() {
        let key = MasterKey::generate().unwrap();
        let again = MasterKey::parse(&format!("{}\n", key.text().expose_secret())).unwrap();
        assert_eq!(key.id(), again.id());
        assert_eq!(key.expose(), again.expose());
        assert_ne!(key.id(), MasterKey::generate().unwrap().id());
    }

    #[test]
    fn a_wrong_text_is_named_and_never_shown() {
        let short = STANDARD.encode([7; 16]);
        assert_eq!(MasterKey::parse("what's this").unwrap_err(), MasterKeyFault::NotBase64);
        assert_eq!(MasterKey::parse(&short).unwrap_err(), MasterKeyFault::Length(16));
        assert_eq!(MasterKey::parse(&STANDARD.encode([0; 32])).unwrap_err(), MasterKeyFault::Placeholder);
        assert!(!MasterKey::parse(&short).unwrap_err().to_string().contains(&short));
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let key = MasterKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }
}
