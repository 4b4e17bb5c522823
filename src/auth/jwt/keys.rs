//! The keys of one issuer, from a key set (JWKS). Each key is for one algorithm.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};

use super::TokenFault;
use crate::config::JwtAlgorithm;
use crate::json;

const BOUNDS: json::Bounds = json::Bounds::of_depth(16);
const MOST_KEYS: usize = 100;
/// 2048 and 8192 bits, in bytes.
const RSA_MODULUS: RangeInclusive<usize> = 256..=1024;
const RSA_EXPONENT: RangeInclusive<usize> = 1..=8;
/// Coordinates of P-256, keys of Ed25519.
const CURVE: RangeInclusive<usize> = 32..=32;

/// The keys that verify one issuer's tokens.
pub(super) struct KeySet(Vec<VerificationKey>);

struct VerificationKey {
    name: KeyName,
    algorithm: JwtAlgorithm,
    decoding: DecodingKey,
}

/// Which tokens a key verifies.
enum KeyName {
    /// All; the key is the only one.
    Any,
    /// Those without a key id.
    Absent,
    /// Those with this key id.
    Is(String),
}

impl KeySet {
    pub(super) fn of_secret(secret: &str) -> Self {
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Self(vec![VerificationKey { name: KeyName::Any, algorithm: JwtAlgorithm::Hs256, decoding }])
    }

    /// The usable keys of a key set for `algorithms`. Fails with a reason that contains nothing of the text.
    pub(super) fn read(set: &str, algorithms: &[JwtAlgorithm]) -> Result<Self, &'static str> {
        json::check(set, BOUNDS).map_err(|_| "it is not JSON")?;
        let members = json::members(set).ok_or("it is not a JSON object")?;
        let keys = members.get("keys").and_then(|keys| json::elements(keys.get()));
        let keys = keys.ok_or("it is not a key set: the list `keys` is missing")?;
        if keys.len() > MOST_KEYS {
            return Err("it has more than 100 keys");
        }
        let usable: Vec<VerificationKey> =
            keys.iter().filter_map(|key| VerificationKey::read(key.get(), algorithms)).collect();
        if usable.is_empty() {
            Err("it has no key for the algorithms of this issuer")
        } else {
            Ok(Self(usable))
        }
    }

    /// The key for a token: the one with its key id, or the only one of its algorithm if it has no key id. Fails if there are two.
    pub(super) fn select(
        &self,
        algorithm: JwtAlgorithm,
        kid: Option<&str>,
    ) -> Result<&DecodingKey, TokenFault> {
        let fits = |key: &&VerificationKey| match (&key.name, kid) {
            (KeyName::Any, _) | (_, None) => true,
            (KeyName::Is(name), Some(kid)) => name == kid,
            (KeyName::Absent, Some(_)) => false,
        };
        let mut found = self.0.iter().filter(|key| key.algorithm == algorithm).filter(fits);
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(&key.decoding),
            _ => Err(TokenFault("key")),
        }
    }
}

impl VerificationKey {
    /// `None` if the key is for something else, or cannot be used; another key of the set may do.
    fn read(text: &str, algorithms: &[JwtAlgorithm]) -> Option<Self> {
        let jwk: Jwk = serde_json::from_str(text).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(key)
                if has_bytes(&key.n, RSA_MODULUS) && has_bytes(&key.e, RSA_EXPONENT) =>
            {
                JwtAlgorithm::Rs256
            }
            AlgorithmParameters::EllipticCurve(key)
                if key.curve == EllipticCurve::P256
                    && has_bytes(&key.x, CURVE)
                    && has_bytes(&key.y, CURVE) =>
            {
                JwtAlgorithm::Es256
            }
            AlgorithmParameters::OctetKeyPair(key)
                if key.curve == EllipticCurve::Ed25519 && has_bytes(&key.x, CURVE) =>
            {
                JwtAlgorithm::EdDsa
            }
            // A symmetric key in a published set would be no secret.
            _ => return None,
        };
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let verifies =
            common.key_operations.as_ref().is_none_or(|allowed| allowed.contains(&KeyOperations::Verify));
        let same = common.key_algorithm.is_none_or(|named| named.to_string() == algorithm.as_str());
        if !(signs && verifies && same && algorithms.contains(&algorithm)) {
            return None;
        }
        let name = common.key_id.clone().map_or(KeyName::Absent, KeyName::Is);
        Some(Self { name, algorithm, decoding: DecodingKey::from_jwk(&jwk).ok()? })
    }
}

/// Whether the base64 `text` holds as many bytes as `allowed`.
fn has_bytes(text: &str, allowed: RangeInclusive<usize>) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| allowed.contains(&bytes.len()))
}
