//! Which keys of a set are used.

use super::house::{KEYS, SECRET, issuer};
use crate::auth::Issuers;
use crate::config::{JwtAlgorithm, JwtKeys};
use crate::upstream::AllowList;

fn fault(algorithm: JwtAlgorithm, keys: JwtKeys) -> Option<String> {
    let faults =
        Issuers::new(&[issuer("https://login.example.com", &[algorithm], keys)], &AllowList::default());
    faults.err().map(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_key_file_without_usable_keys_and_a_plain_address_stop_the_start() {
    use JwtAlgorithm::{EdDsa, Es256, Hs256, Rs256};
    let set = |text: &str| JwtKeys::Set(text.to_owned());
    for algorithm in [Rs256, Es256, EdDsa] {
        assert_eq!(fault(algorithm, set(KEYS)), None);
    }
    assert_eq!(fault(Hs256, JwtKeys::Secret(SECRET.into())), None);
    assert_eq!(fault(Rs256, JwtKeys::Url("https://login.example.com/jwks.json".into())), None);
    for (keys, says) in [
        (set("-----BEGIN PUBLIC KEY-----"), "not JSON"),
        (set("[]"), "not a JSON object"),
        (set("{}"), "`keys` is missing"),
        (set(r#"{"keys":[]}"#), "no key for the algorithms"),
        (set(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#), "no key for the algorithms"),
        (set(r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#), "no key for the algorithms"),
        (set(r#"{"keys":[1,null,"x"]}"#), "no key for the algorithms"),
        (JwtKeys::Url("http://login.example.com/jwks.json".into()), "must begin with https://"),
        (
            JwtKeys::Url("https://me:word@login.example.com/".into()),
            "must not contain a user name or password",
        ),
    ] {
        let fault = fault(Rs256, keys).unwrap();
        assert!(fault.starts_with("default: ") && fault.contains(says), "{says}: {fault}");
    }
}
