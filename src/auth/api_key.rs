//! The text of an API key: `cg_`, an id, a secret and a checksum. It has only letters and digits after the prefix, so that a
//! double click selects all of it.

use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::domain::{KeyId, Result};
use crate::sealing::{random, sha256};

const PREFIX: &str = "cg_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 95 bits: unique without a lookup.
const ID: usize = 16;
/// 43 characters of 62 are 256 bits.
const SECRET: usize = 43;
/// 35 bits: a mistyped key is refused without a database query.
const CHECKSUM: usize = 6;

/// An API key with its secret. It has no `Debug`.
pub struct ApiKey {
    id: KeyId,
    text: SecretString,
}

/// The text is not an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFault;

impl ApiKey {
    /// A new key. Fails with `internal` if the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let (id, secret) = (characters::<ID>()?, characters::<SECRET>()?);
        Ok(Self::joined(&id, &secret))
    }

    /// A key from an id of 16 and a secret of 43 characters, for `demo`, whose key is public.
    pub fn from_parts(id: &str, secret: &str) -> std::result::Result<Self, KeyFault> {
        let fits = id.len() == ID && secret.len() == SECRET && in_alphabet(id) && in_alphabet(secret);
        if fits { Ok(Self::joined(id, secret)) } else { Err(KeyFault) }
    }

    /// Reads a key. The checksum detects any wrong character.
    pub fn parse(text: &str) -> std::result::Result<Self, KeyFault> {
        let body = text.strip_prefix(PREFIX).filter(|body| in_alphabet(body)).ok_or(KeyFault)?;
        if body.len() != ID + SECRET + CHECKSUM {
            return Err(KeyFault);
        }
        let (keyed, sum) = text.split_at(text.len() - CHECKSUM);
        if checksum(keyed) != sum {
            return Err(KeyFault);
        }
        Ok(Self { id: key_id(&body[..ID]), text: text.into() })
    }

    fn joined(id: &str, secret: &str) -> Self {
        let keyed = Zeroizing::new(format!("{PREFIX}{id}{secret}"));
        Self { id: key_id(id), text: format!("{}{}", *keyed, checksum(&keyed)).into() }
    }

    /// The public part, `key_…`.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The whole text, which is shown once.
    #[must_use]
    pub const fn text(&self) -> &SecretString {
        &self.text
    }

    /// SHA-256 of the whole text, which is stored. 256 random bits need no slow hash.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.text.expose_secret().as_bytes())
    }
}

fn key_id(id: &str) -> KeyId {
    KeyId::from(format!("key_{id}"))
}

fn in_alphabet(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `N` characters, each equally likely: bytes from 248 on, beyond the last multiple of 62, are skipped.
fn characters<const N: usize>() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(N));
    while text.len() < N {
        let drawn = Zeroizing::new(random::<64>()?);
        let fair = drawn.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(byte % 62)]);
        let wanted = N - text.len();
        text.extend(fair.take(wanted).map(char::from));
    }
    Ok(text)
}

fn checksum(keyed: &str) -> String {
    let digest = sha256(keyed.as_bytes());
    let mut rest = digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut sum = String::with_capacity(CHECKSUM);
    for _ in 0..CHECKSUM {
        sum.push(char::from(ALPHABET[usize::try_from(rest % 62).unwrap_or_default()]));
        rest /= 62;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &ApiKey) -> String {
        key.text().expose_secret().to_owned()
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = ApiKey::generate().unwrap();
        let again = ApiKey::parse(&text(&key)).ok().unwrap();
        assert_eq!((again.id(), again.digest()), (key.id(), key.digest()));
        assert_eq!(text(&key).len(), 68);
        assert!(text(&key).starts_with("cg_"));
        assert_ne!(key.digest(), ApiKey::generate().unwrap().digest());
    }

    #[test]
    fn every_mistyped_cut_swapped_or_longer_text_is_refused() {
        let key = text(&ApiKey::generate().unwrap());
        let mut refused = 0;
        let mut refuse = |odd: &str| {
            assert!(odd == key || ApiKey::parse(odd).is_err(), "{odd}");
            refused += 1;
        };
        let bytes = |changed: Vec<u8>| String::from_utf8(changed).unwrap();
        for place in 0..key.len() {
            for other in ALPHABET.iter().chain(b"_- \n\0.").filter(|other| **other != key.as_bytes()[place]) {
                let mut changed = key.clone().into_bytes();
                changed[place] = *other;
                refuse(&bytes(changed));
            }
            refuse(&key[..place]);
            refuse(&key[place + 1..]);
            refuse(&format!("{} {}", &key[..place], &key[place..]));
            refuse(&format!("{}{}", &key[..place], &key[place + 1..]));
            let mut swapped = key.clone().into_bytes();
            swapped.swap(place, (place + 1) % key.len());
            refuse(&bytes(swapped));
        }
        for more in ALPHABET.iter().chain(b" \t\n\0=.").map(|byte| char::from(*byte).to_string()) {
            for times in 1..=3 {
                refuse(&format!("{key}{}", more.repeat(times)));
                refuse(&format!("{}{key}", more.repeat(times)));
            }
        }
        for odd in ["", "cg_", "cg_é", &key.to_uppercase(), &key.to_lowercase(), &key.repeat(2)] {
            refuse(odd);
        }
        assert!(refused >= 5_000, "{refused}");
    }

    #[test]
    fn chosen_parts_make_a_key_of_the_same_form() {
        let key = ApiKey::from_parts("demodemodemodemo", &"d".repeat(43)).ok().unwrap();
        assert_eq!(key.id().as_str(), "key_demodemodemodemo");
        assert!(ApiKey::parse(&text(&key)).is_ok());
        assert!(ApiKey::from_parts("short", &"d".repeat(43)).is_err());
        assert!(ApiKey::from_parts("demodemodemodem-", &"d".repeat(43)).is_err());
    }
}
