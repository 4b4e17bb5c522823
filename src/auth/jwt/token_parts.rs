//! The three parts of a token, read strictly before anything in them is used.
//!
//! The library's `decode_header` is not used: it accepts duplicate fields, and fails alike for an unknown algorithm, a bad
//! `kid` and bad JSON, while the log must tell them apart. The issuer must be known before the library can verify anything.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenFault;
use crate::config::JwtAlgorithm;
use crate::json::{self, Kind, Members};

/// Deeper than the claims of any issuer.
const BOUNDS: json::Bounds = json::Bounds::of_depth(8);
const LONGEST_KID: usize = 256;
/// Header fields that name or contain a key, or require unknown extensions.
const REFUSED: [&str; 5] = ["crit", "jku", "jwk", "x5u", "x5c"];

/// Whether `shown` has the form of a token: three parts separated by dots.
pub(in crate::auth) fn looks_like_a_token(shown: &str) -> bool {
    shown.split('.').count() == 3
}

/// The parts of a token. Nothing in it is verified.
pub(super) struct TokenParts<'a> {
    pub(super) token: &'a str,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) kid: Option<String>,
    pub(super) issuer: String,
    /// The claims, an object without duplicate fields.
    pub(super) claims: String,
}

impl<'a> TokenParts<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, TokenFault> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { return Err(TokenFault("parts")) };
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault("encoding"))?;
        let header = object(header)?;
        let (algorithm, kid) = read_header(&header)?;
        let claims = object(claims)?;
        let issuer = text(&json::members(&claims).unwrap_or_default(), "iss").ok_or(TokenFault("issuer"))?;
        let issuer = issuer.into_owned();
        Ok(Self { token, algorithm, kid, issuer, claims })
    }
}

/// The JSON object in a part. Padding, other alphabets and stray bits are refused, so that each token has one form.
fn object(part: &str) -> Result<String, TokenFault> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault("encoding"))?;
    let text = String::from_utf8(bytes).map_err(|_| TokenFault("encoding"))?;
    json::check(&text, BOUNDS).map_err(|_| TokenFault("json"))?;
    if json::kind(&text) == Kind::Object { Ok(text) } else { Err(TokenFault("json")) }
}

fn read_header(header: &str) -> Result<(JwtAlgorithm, Option<String>), TokenFault> {
    let members = json::members(header).unwrap_or_default();
    if members.0.iter().any(|(name, _)| REFUSED.contains(&name.as_ref())) {
        return Err(TokenFault("header"));
    }
    // RFC 7515 4.1.9: `application/` may be left out of the type.
    let is_token = |word: Cow<'_, str>| {
        let full = |known: &&str| word.eq_ignore_ascii_case(&format!("application/{known}"));
        ["jwt", "at+jwt"].iter().any(|known| word.eq_ignore_ascii_case(known) || full(known))
    };
    if members.0.iter().any(|(name, _)| name == "typ") && !text(&members, "typ").is_some_and(is_token) {
        return Err(TokenFault("type"));
    }
    let algorithm = text(&members, "alg").and_then(|word| JwtAlgorithm::parse(&word));
    let kid = if members.0.iter().any(|(name, _)| name == "kid") {
        Some(text(&members, "kid").filter(|kid| kid.len() <= LONGEST_KID).ok_or(TokenFault("kid"))?)
    } else {
        None
    };
    Ok((algorithm.ok_or(TokenFault("algorithm"))?, kid.map(Cow::into_owned)))
}

/// The string field `name`; `None` if it is absent or not a string.
pub(super) fn text<'a>(members: &Members<'a>, name: &str) -> Option<Cow<'a, str>> {
    members.get(name).and_then(|raw| json::string(raw.get()))
}
