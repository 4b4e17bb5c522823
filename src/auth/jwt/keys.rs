//! The keys of one issuer: read from a key set (JWKS), each for one algorithm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

use super::TokenKeyFault;
use super::token_parts::text;
use crate::config::JwtAlgorithm;
use crate::json::{self, Members};

const BOUNDS: json::Bounds = json::Bounds::of_depth(16);
const MOST_KEYS: usize = 100;
/// 2048 and 8192 bits, in bytes.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
const RSA_EXPONENT: std::ops::RangeInclusive<usize> = 1..=8;
/// Coordinates of P-256, keys of Ed25519.
const CURVE: std::ops::RangeInclusive<usize> = 32..=32;

/// The keys by which one issuer's tokens are checked.
pub(super) struct KeySet(Vec<VerificationKey>);

struct VerificationKey {
    name: KeyName,
    algorithm: JwtAlgorithm,
    decoding: DecodingKey,
}

/// Which tokens a key is for.
enum KeyName {
    /// All: the key is the only one.
    Any,
    /// Those that name no key.
    Absent,
    /// Those that name this one.
    Is(String),
}

impl KeySet {
    /// The one secret of HS256.
    pub(super) fn of_secret(secret: &str) -> Self {
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Self(vec![VerificationKey { name: KeyName::Any, algorithm: JwtAlgorithm::Hs256, decoding }])
    }

    /// The usable keys of a key set for `algorithms`. Fails with a reason that holds nothing of the text.
    pub(super) fn read(set: &str, algorithms: &[JwtAlgorithm]) -> Result<Self, &'static str> {
        json::check(set, BOUNDS).map_err(|_| "it is no JSON")?;
        let members = json::members(set).ok_or("it is no JSON object")?;
        let keys = members.get("keys").and_then(|keys| json::elements(keys.get()));
        let keys = keys.ok_or("it is no key set: the list `keys` is missing")?;
        if keys.len() > MOST_KEYS {
            return Err("it holds more than 100 keys");
        }
        let usable =
            keys.iter().filter_map(|key| VerificationKey::read(&json::members(key.get())?, algorithms));
        let usable: Vec<VerificationKey> = usable.collect();
        if usable.is_empty() {
            Err("it holds no key for the algorithms of this issuer")
        } else {
            Ok(Self(usable))
        }
    }

    /// The key for a token: the one it names, or the only one that fits where it names none. Two of one name and
    /// kind are as good as none.
    pub(super) fn select(
        &self,
        algorithm: JwtAlgorithm,
        kid: Option<&str>,
    ) -> Result<&DecodingKey, TokenKeyFault> {
        let fits = |key: &&VerificationKey| match (&key.name, kid) {
            (KeyName::Any, _) | (_, None) => true,
            (KeyName::Is(name), Some(kid)) => name == kid,
            (KeyName::Absent, Some(_)) => false,
        };
        let mut found = self.0.iter().filter(|key| key.algorithm == algorithm).filter(fits);
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(&key.decoding),
            _ => Err(TokenKeyFault("key")),
        }
    }
}

impl VerificationKey {
    /// `None` where the key is for something else, or cannot be used; another key of the set may do.
    fn read(members: &Members<'_>, algorithms: &[JwtAlgorithm]) -> Option<Self> {
        let word = |name| text(members, name);
        let (algorithm, decoding) = match (word("kty")?.as_ref(), word("crv").as_deref()) {
            ("RSA", _) => (JwtAlgorithm::Rs256, rsa(members)?),
            ("EC", Some("P-256")) => (JwtAlgorithm::Es256, p256(members)?),
            ("OKP", Some("Ed25519")) => (JwtAlgorithm::EdDsa, ed25519(members)?),
            // A symmetric key in a published set would be no secret.
            _ => return None,
        };
        let signs = members.get("use").is_none() || word("use").as_deref() == Some("sig");
        let same = members.get("alg").is_none() || word("alg").as_deref() == Some(algorithm.as_str());
        let name = match members.get("kid") {
            None => KeyName::Absent,
            Some(_) => KeyName::Is(word("kid")?.into_owned()),
        };
        (signs && same && verifies(members) && algorithms.contains(&algorithm)).then_some(Self {
            name,
            algorithm,
            decoding,
        })
    }
}

/// Whether `key_ops`, where it is given, allows to verify.
fn verifies(members: &Members<'_>) -> bool {
    let Some(raw) = members.get("key_ops") else { return true };
    let operations = json::elements(raw.get()).unwrap_or_default();
    operations.iter().any(|operation| json::string(operation.get()).as_deref() == Some("verify"))
}

fn rsa(members: &Members<'_>) -> Option<DecodingKey> {
    let (n, e) = (bytes(members, "n", RSA_MODULUS)?, bytes(members, "e", RSA_EXPONENT)?);
    Some(DecodingKey::from_rsa_raw_components(&n, &e))
}

fn p256(members: &Members<'_>) -> Option<DecodingKey> {
    let point = [vec![4], bytes(members, "x", CURVE)?, bytes(members, "y", CURVE)?].concat();
    Some(DecodingKey::from_ec_der(&point))
}

fn ed25519(members: &Members<'_>) -> Option<DecodingKey> {
    bytes(members, "x", CURVE).map(|x| DecodingKey::from_ed_der(&x))
}

/// The bytes of the member `name`, where there are as many as `allowed`.
fn bytes(members: &Members<'_>, name: &str, allowed: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text(members, name)?.as_bytes()).ok()?;
    allowed.contains(&bytes.len()).then_some(bytes)
}
