//! Seals secrets under the current master key, and opens those sealed under any given key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use secrecy::{SecretSlice, zeroize::Zeroizing};

use super::length_prefixed;
use super::master_key::{ID_BYTES, MasterKey};
use crate::domain::{Failure, FailureKind, Result};

/// The first byte of every sealed blob. Another layout gets another number.
const VERSION: u8 = 1;
/// The length of a blob's head: version and key id, which show which key opens it.
pub const HEAD: usize = 1 + ID_BYTES;
const HEADER: usize = HEAD + NONCE_LEN;

/// What a secret is bound to. It does not open in another row or column, or for another host.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    pub tenant: &'a str,
    pub credential: &'a str,
    /// The column of the sealed blob.
    pub column: &'a str,
    /// The base URL that the secret may be sent to.
    pub base_url: &'a str,
}

/// Seals, opens and authenticates with subkeys of the master keys.
pub struct Sealer {
    current: Subkeys,
    others: Vec<Subkeys>,
}

struct Subkeys {
    id: [u8; ID_BYTES],
    seal: RandomizedNonceKey,
    mac: hmac::Key,
}

impl Sealer {
    /// A sealer under one master key. Fails with `internal` if the library refuses the key.
    pub fn new(current: &MasterKey) -> Result<Self> {
        Self::with_others(current, &[])
    }

    /// A sealer that also opens blobs sealed under `others`.
    pub fn with_others(current: &MasterKey, others: &[MasterKey]) -> Result<Self> {
        let others = others.iter().map(Subkeys::of).collect::<Result<_>>()?;
        Ok(Self { current: Subkeys::of(current)?, others })
    }

    /// Seals `plain`: version, key id, nonce, ciphertext with tag. Fails with `internal`.
    pub fn seal(&self, bound: &Bound<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let mut body = Zeroizing::new(plain.to_vec());
        let nonce = self
            .current
            .seal
            .seal_in_place_append_tag(Aad::from(associated(self.current.id, bound)), &mut *body)
            .map_err(|_| Failure::internal("a secret could not be sealed"))?;
        let mut blob = Vec::with_capacity(HEADER + body.len());
        blob.push(VERSION);
        blob.extend_from_slice(&self.current.id);
        blob.extend_from_slice(nonce.as_ref());
        blob.extend_from_slice(&body);
        Ok(blob)
    }

    /// Opens a blob that [`Self::seal`] made for the same `bound`. Every failure is `secret_unreadable`.
    pub fn open(&self, bound: &Bound<'_>, blob: &[u8]) -> Result<SecretSlice<u8>> {
        let SealedParts { version, id, nonce, body } = split(blob).ok_or_else(unreadable)?;
        let keys = self.subkeys(id).filter(|_| version == VERSION).ok_or_else(unreadable)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = keys
            .seal
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(associated(id, bound)), &mut body)
            .map_err(|_| unreadable())?;
        Ok(SecretSlice::from(plain.to_vec()))
    }

    /// The head of every blob that is sealed from now on.
    #[must_use]
    pub fn head(&self) -> [u8; HEAD] {
        head(self.current.id)
    }

    /// Whether one of the keys opens blobs with this head.
    #[must_use]
    pub fn knows(&self, blob_head: &[u8]) -> bool {
        self.all().any(|keys| head(keys.id) == blob_head)
    }

    /// The MAC of `bytes` for one purpose.
    #[must_use]
    pub fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        self.current.sign(&length_prefixed(&[purpose.as_bytes(), bytes]))
    }

    /// The MACs under all keys. Processes that share one of the keys share one of the MACs.
    #[must_use]
    pub fn macs(&self, purpose: &str, bytes: &[u8]) -> Vec<[u8; 32]> {
        let message = length_prefixed(&[purpose.as_bytes(), bytes]);
        self.all().map(|keys| keys.sign(&message)).collect()
    }

    /// Whether the MAC of `bytes` under one of the keys begins with `tag`, which must have at least 16 bytes.
    #[must_use]
    pub fn authentic(&self, purpose: &str, bytes: &[u8], tag: &[u8]) -> bool {
        let message = length_prefixed(&[purpose.as_bytes(), bytes]);
        (16..=32).contains(&tag.len())
            && self.all().any(|keys| super::constant_time_eq(&keys.sign(&message)[..tag.len()], tag))
    }

    fn all(&self) -> impl Iterator<Item = &Subkeys> {
        std::iter::once(&self.current).chain(&self.others)
    }

    fn subkeys(&self, id: [u8; ID_BYTES]) -> Option<&Subkeys> {
        self.all().find(|keys| keys.id == id)
    }
}

impl Subkeys {
    fn of(master: &MasterKey) -> Result<Self> {
        let refused = || Failure::internal("the master key could not be used");
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"contacts-gateway").extract(master.expose());
        let subkey = |purpose: &[u8]| -> Result<Zeroizing<[u8; 32]>> {
            let mut out = Zeroizing::new([0; 32]);
            root.expand(&[purpose], hkdf::HKDF_SHA256)
                .and_then(|material| material.fill(&mut *out))
                .map_err(|_| refused())?;
            Ok(out)
        };
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &*subkey(b"seal v1")?).map_err(|_| refused())?;
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &*subkey(b"mac v1")?);
        Ok(Self { id: master.id_bytes(), seal, mac })
    }

    fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.mac, message).as_ref());
        tag
    }
}

fn head(id: [u8; ID_BYTES]) -> [u8; HEAD] {
    let mut head = [VERSION; HEAD];
    head[1..].copy_from_slice(&id);
    head
}

/// The parts of a sealed blob, not authenticated yet.
struct SealedParts<'a> {
    version: u8,
    id: [u8; ID_BYTES],
    nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

fn split(blob: &[u8]) -> Option<SealedParts<'_>> {
    let (version, rest) = blob.split_first()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (nonce, body) = rest.split_first_chunk()?;
    Some(SealedParts { version: *version, id: *id, nonce: *nonce, body })
}

fn associated(id: [u8; ID_BYTES], bound: &Bound<'_>) -> Vec<u8> {
    let Bound { tenant, credential, column, base_url } = *bound;
    let parts = [tenant, credential, column, base_url].map(str::as_bytes);
    length_prefixed(&[&[&[VERSION], id.as_slice()].concat(), parts[0], parts[1], parts[2], parts[3]])
}

fn unreadable() -> Failure {
    Failure::new(
        FailureKind::SecretUnreadable,
        "The stored secret cannot be opened with the gateway's master key. Give the credential its secret again, or ask \
         the operator to start the gateway with the key that sealed it.",
    )
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const HERE: Bound<'_> = Bound {
        tenant: "ten_1",
        credential: "cred_1",
        column: "secret",
        base_url: "https://crm.example.com",
    };

    fn sealer() -> Sealer {
        Sealer::new(&MasterKey::generate().unwrap()).unwrap()
    }

    fn refused(sealer: &Sealer, bound: &Bound<'_>, blob: &[u8]) -> bool {
        sealer.open(bound, blob).is_err_and(|failure| failure.kind == FailureKind::SecretUnreadable)
    }

    #[test]
    fn what_was_sealed_opens_in_its_place() {
        let sealer = sealer();
        for plain in [b"".as_slice(), b"{\"apiKey\":\"x\"}", &[0xff; 5000]] {
            let blob = sealer.seal(&HERE, plain).unwrap();
            assert_eq!(sealer.open(&HERE, &blob).unwrap().expose_secret(), plain);
            assert!(plain.is_empty() || !blob.windows(plain.len()).any(|part| part == plain));
        }
        assert_ne!(sealer.seal(&HERE, b"x").unwrap(), sealer.seal(&HERE, b"x").unwrap());
    }

    #[test]
    fn moved_to_another_place_it_does_not_open() {
        let sealer = sealer();
        let blob = sealer.seal(&HERE, b"secret").unwrap();
        for other in [
            Bound { tenant: "ten_2", ..HERE },
            Bound { credential: "cred_2", ..HERE },
            Bound { column: "other", ..HERE },
            Bound { base_url: "https://evil.example.com", ..HERE },
            // The same letters, cut elsewhere.
            Bound { tenant: "ten_1c", credential: "red_1", ..HERE },
        ] {
            assert!(refused(&sealer, &other, &blob), "{other:?}");
        }
    }

    #[test]
    fn cut_or_changed_it_does_not_open_and_never_panics() {
        let sealer = sealer();
        let blob = sealer.seal(&HERE, b"secret").unwrap();
        for length in 0..blob.len() {
            assert!(refused(&sealer, &HERE, &blob[..length]), "cut to {length}");
        }
        for bit in 0..blob.len() * 8 {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&sealer, &HERE, &changed), "bit {bit}");
        }
        assert!(refused(&sealer, &HERE, b"{\"apiKey\":\"plain\"}"));
        assert!(refused(&sealer, &HERE, &[blob.as_slice(), b"x"].concat()));
    }

    #[test]
    fn a_former_key_still_opens_and_a_strange_one_does_not() {
        let (former, current) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let blob = Sealer::new(&former).unwrap().seal(&HERE, b"secret").unwrap();
        assert!(refused(&Sealer::new(&current).unwrap(), &HERE, &blob));
        let both = Sealer::with_others(&current, &[former]).unwrap();
        assert!(both.knows(&blob[..HEAD]) && both.knows(&both.head()) && blob[..HEAD] != both.head());
        assert!(
            !Sealer::new(&current).unwrap().knows(&blob[..HEAD])
                && !both.knows(b"")
                && !both.knows(b"{\"key")
        );
        assert_eq!(both.open(&HERE, &blob).unwrap().expose_secret(), b"secret");
        assert!(refused(
            &Sealer::new(&MasterKey::generate().unwrap()).unwrap(),
            &HERE,
            &both.seal(&HERE, b"x").unwrap()
        ));
    }

    #[test]
    fn a_mac_holds_for_its_purpose_its_bytes_and_its_key() {
        let (one, other) = (sealer(), sealer());
        let tag = one.mac("cursor", b"here");
        assert!(one.authentic("cursor", b"here", &tag) && one.authentic("cursor", b"here", &tag[..16]));
        assert!(!one.authentic("cursor", b"there", &tag) && !one.authentic("other", b"here", &tag));
        assert!(!one.authentic("cursorh", b"ere", &tag) && !other.authentic("cursor", b"here", &tag));
        for length in (0..16).chain([33]) {
            assert!(!one.authentic("cursor", b"here", &[tag.as_slice(), &[0]].concat()[..length]));
        }
    }
}
