//! Tokens from descriptions: a good token, and what is different in it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::house::{KEYS, SECRET};
use crate::auth::jwt::seconds;
use crate::json;

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jwt/", $name))
    };
}

/// The token that `case` describes.
pub(super) fn token(case: &Value) -> String {
    let word = |name: &str, default: &str| case[name].as_str().unwrap_or(default).to_owned();
    let signed_by = word("sign", "RS256");
    let (alg, kid) = match signed_by.as_str() {
        by if by.contains("ES256") => ("ES256", "ec"),
        "EdDSA" => ("EdDSA", "ed"),
        by if by.starts_with("HS256") => ("HS256", ""),
        _ => ("RS256", "rsa"),
    };
    let kid = if kid.is_empty() { Value::Null } else { kid.into() };
    let mut header = members(&[("alg", alg.into()), ("typ", "JWT".into()), ("kid", kid)]);
    change(&mut header, &case["header"]);
    let issuer = format!("https://{}.example.com", word("issuer", "login"));
    let mut claims = members(&[
        ("iss", issuer.into()),
        ("aud", "contacts-gateway".into()),
        ("iat", "@time 0".into()),
        ("exp", "@time 300".into()),
        ("sub", "user-1".into()),
        ("tenant", "acme".into()),
        ("scope", "contacts:read".into()),
    ]);
    change(&mut claims, &case["claims"]);
    let header = word("raw_header", &text(&header));
    let claims = word("raw_claims", &text(&claims));
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signature(&signed_by, message.as_bytes());
    edit(format!("{message}.{signature}"), case["edit"].as_str().unwrap_or_default())
}

type TokenMembers = Vec<(String, Value)>;

fn members(members: &[(&str, Value)]) -> TokenMembers {
    members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Lays members over members; `null` takes one away.
fn change(members: &mut TokenMembers, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        members.retain(|(known, _)| known != name);
        members.push((name.clone(), value.clone()));
    }
}

fn text(members: &TokenMembers) -> String {
    let shown: Vec<(&str, String)> = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.as_str(), spelled(value)))
        .collect();
    json::object(shown.iter().map(|(name, value)| (*name, value.as_str())))
}

/// JSON text of a value; strings that begin with @ say how it is made.
fn spelled(value: &Value) -> String {
    let words: Vec<&str> = value.as_str().unwrap_or_default().splitn(3, ' ').collect();
    match words[..] {
        ["@raw", raw] => raw.to_owned(),
        ["@repeat", what, times] => format!("\"{}\"", what.repeat(times.parse().unwrap())),
        ["@time", offset] => time(offset).to_string(),
        ["@time", offset, "string"] => format!("\"{}\"", time(offset)),
        ["@time", offset, "fraction"] => format!("{}.5", time(offset)),
        ["@time", offset, "exponent"] => format!("{}e0", time(offset)),
        _ => value.to_string(),
    }
}

fn time(offset: &str) -> u64 {
    seconds().checked_add_signed(offset.parse().unwrap()).unwrap()
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn signature(by: &str, message: &[u8]) -> String {
    let rsa = |pem: &[u8]| sign(message, &EncodingKey::from_rsa_pem(pem).unwrap(), Algorithm::RS256).unwrap();
    let secret = |secret: &[u8]| sign(message, &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
    let es256 =
        || sign(message, &EncodingKey::from_ec_pem(pem!("p256.pem")).unwrap(), Algorithm::ES256).unwrap();
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(keys["keys"][0]["n"].as_str().unwrap()).unwrap();
    match by {
        "RS256" => rsa(pem!("rsa.pem")),
        "other RS256" => rsa(pem!("other-rsa.pem")),
        "ES256" => es256(),
        "der ES256" => der(&URL_SAFE_NO_PAD.decode(es256()).unwrap()),
        "EdDSA" => {
            sign(message, &EncodingKey::from_ed_pem(pem!("ed25519.pem")).unwrap(), Algorithm::EdDSA).unwrap()
        }
        "HS256" => secret(SECRET.as_bytes()),
        "HS256 by nothing" => secret(b""),
        "HS256 by published" => secret(b"a key that everybody can read...."),
        "HS256 by modulus" => secret(&modulus),
        "HS256 by DER" => secret(&public(&modulus)),
        "HS256 by PEM" => {
            let body = STANDARD.encode(public(&modulus));
            secret(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n").as_bytes())
        }
        "nothing" => String::new(),
        zeros => encode(vec![0; zeros.strip_prefix("zeros ").unwrap().parse().unwrap()]),
    }
}

/// An RSA key of 2048 bits and exponent 65537 as `SubjectPublicKeyInfo`.
fn public(modulus: &[u8]) -> Vec<u8> {
    let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let bytes = |hex: &str| {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    [bytes(head), modulus.to_vec(), bytes("0203010001")].concat()
}

/// `r` and `s` in the other form of ECDSA signatures.
fn der(fixed: &[u8]) -> String {
    let integer = |part: &[u8]| {
        let lead = if part[0] > 127 { vec![0] } else { vec![] };
        [vec![2, u8::try_from(part.len() + lead.len()).unwrap()], lead, part.to_vec()].concat()
    };
    let both = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    encode([vec![0x30, u8::try_from(both.len()).unwrap()], both].concat())
}

/// Spoils the text of a token.
fn edit(token: String, how: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return token };
    match how {
        "" => token,
        "cut signature" => {
            let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            format!("{header}.{claims}.{}", encode(&bytes[..bytes.len() - 1]))
        }
        "swap claims" => {
            let others = self::token(&serde_json::json!({"claims": {"tenant": "ten_acme"}}));
            format!("{header}.{}.{signature}", others.split('.').nth(1).unwrap())
        }
        "turn a bit" => {
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            bytes[100] ^= 1;
            format!("{header}.{claims}.{}", encode(bytes))
        }
        "pad header" => format!("{header}=.{claims}.{signature}"),
        "pad claims" => format!("{header}.{claims}=.{signature}"),
        "pad signature" => format!("{token}=="),
        "standard alphabet" => token.replace('-', "+").replace('_', "/"),
        // The last character of 256 bytes holds two bits of them, and four that must be zero.
        "stray bit" => {
            let last = token.chars().last().unwrap();
            format!("{}{}", &token[..token.len() - 1], char::from(u8::try_from(last).unwrap() + 1))
        }
        "line break inside" => format!("{header}.{claims}.\n{signature}"),
        "not UTF-8" => format!("{}.{claims}.{signature}", encode(b"{\"alg\":\"\xff\"}")),
        "two parts" => format!("{header}.{claims}"),
        "four parts" => format!("{token}.x"),
        "five parts" => format!("{token}.x.y"),
        "only dots" => "..".to_owned(),
        "encrypted" => format!("{header}..{claims}.{signature}.x"),
        "9 KiB" => format!("{token}{}", "A".repeat(9 * 1024)),
        "prefix cg_" => format!("cg_{token}"),
        other => panic!("no edit {other}"),
    }
}
