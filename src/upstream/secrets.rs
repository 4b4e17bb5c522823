//! Removes the secrets of an account from what its CRM sends: CRMs may repeat what they were sent.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytestring::ByteString;
use memchr::{memchr, memchr2, memmem};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::json;

/// Shorter secrets are not searched for: they occur in texts by chance, and replacing them there would reveal them.
const SHORTEST: usize = 6;
/// The number of consecutive characters of a secret that are struck out of a text.
const RUN: usize = 8;
/// The shortest secret that is struck out of a contact's values. A shorter one, such as a password, can occur in a value
/// by chance.
const SHORTEST_IN_VALUES: usize = 16;
/// Replaces a secret that was struck out.
pub const STRUCK_OUT: &str = "[secret]";
/// The characters between the scalars of a JSON text.
const BETWEEN: [char; 10] = [' ', '\t', '\n', '\r', ',', ':', '[', ']', '{', '}'];

/// The secrets of one account. Their `Debug` output is redacted.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<[SecretString]>);

impl Secrets {
    #[must_use]
    pub(super) fn and(&self, secret: &str) -> Self {
        // Header values lose surrounding whitespace, so the CRM never received it.
        let secret = SecretString::from(secret.trim());
        Self(self.0.iter().cloned().chain([secret]).collect())
    }

    /// `text` without secrets, and without any [`RUN`] consecutive characters of one.
    #[must_use]
    pub fn strike_out<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let characters: Vec<char> = text.chars().collect();
        let mut struck = vec![false; characters.len()];
        for secret in self.of_at_least(SHORTEST) {
            let secret: Zeroizing<Vec<char>> = Zeroizing::new(secret.chars().collect());
            let length = secret.len().min(RUN);
            let runs: HashSet<&[char]> = secret.windows(length).collect();
            for (at, part) in characters.windows(length).enumerate() {
                if runs.contains(part) {
                    struck[at..at + length].fill(true);
                }
            }
        }
        if !struck.contains(&true) {
            return Cow::Borrowed(text);
        }
        let (mut kept, mut before) = (String::with_capacity(text.len()), false);
        for (character, struck) in characters.into_iter().zip(struck) {
            if !struck {
                kept.push(character);
            } else if !before {
                kept.push_str(STRUCK_OUT);
            }
            before = struck;
        }
        Cow::Owned(kept)
    }

    /// The valid JSON text `json` with each string, name and number that contains a whole secret replaced by
    /// [`STRUCK_OUT`]; `None` if none does. A text without a secret and without an escape needs one search only.
    pub(super) fn strike_out_of_values(&self, json: &ByteString) -> Option<ByteString> {
        let secrets: Vec<memmem::Finder<'_>> =
            self.of_at_least(SHORTEST_IN_VALUES).map(memmem::Finder::new).collect();
        let holds = |text: &str| secrets.iter().any(|secret| secret.find(text.as_bytes()).is_some());
        if secrets.is_empty() || !(memchr(b'\\', json.as_bytes()).is_some() || holds(json)) {
            return None;
        }
        let repeats = |part: &Range<usize>| match &json[part.clone()] {
            escaped if escaped.contains('\\') => json::string(escaped).is_some_and(|text| holds(&text)),
            plain => holds(plain),
        };
        let (mut kept, mut done) = (String::new(), 0);
        for part in scalars(json).filter(repeats) {
            kept.extend([&json[done..part.start], "\"", STRUCK_OUT, "\""]);
            done = part.end;
        }
        (done > 0).then(|| (kept + &json[done..]).into())
    }

    fn of_at_least(&self, length: usize) -> impl Iterator<Item = &str> {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        secrets.filter(move |secret| secret.chars().nth(length - 1).is_some())
    }
}

/// The positions of the strings, names, numbers and literals of a JSON text.
fn scalars(json: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(BETWEEN);
        let length = match rest.as_bytes().first()? {
            b'"' => string_length(rest.as_bytes()),
            _ => rest.find(BETWEEN).unwrap_or(rest.len()),
        };
        let start = json.len() - rest.len();
        rest = &rest[length..];
        Some(start..start + length)
    })
}

/// The length of the string at the start of `rest`, including its quotes.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = rest.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if rest[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secrets: &[&str]) -> Secrets {
        secrets.iter().fold(Secrets::default(), |all, secret| all.and(secret))
    }

    #[test]
    fn runs_of_eight_and_whole_short_secrets_are_struck_out_of_texts() {
        let secrets = of(&["  swordfish-é-tango ", "pas5wd", "short"]);
        for (text, left) in [
            ("it is swordfish-é-tango.", "it is [secret]."),
            ("it is swordfis!", "it is [secret]!"),
            ("it is sword-fish, swordfi and -tango", "it is sword-fish, swordfi and -tango"),
            ("x-é-tangx y-é-tang, h-é-tan", "x-é-tangx y-é-tang, h-é-tan"),
            ("fish-é-tangoswordfish", "[secret]"),
            ("of pas5wd, short", "of [secret], short"),
            ("pas5w", "pas5w"),
            ("", ""),
        ] {
            assert_eq!(secrets.strike_out(text), left);
        }
        assert_eq!(Secrets::default().strike_out("swordfish-é-tango"), "swordfish-é-tango");
    }

    #[test]
    fn values_that_hold_a_whole_long_secret_are_struck_out_of_json() {
        let secrets = of(&[r#"sword"fish/ta\ngo"#, "1234567890123456", "fifteen-letters"]);
        let struck = |json: &str| secrets.strike_out_of_values(&ByteString::from(json));
        for (json, left) in [
            (r#"{"a":"x sword\"fish/ta\\ngo y","b":[1]}"#, r#"{"a":"[secret]","b":[1]}"#),
            (r#"{"sword\"fish\/ta\\ngo":{"\\":"\""}}"#, r#"{"[secret]":{"\\":"\""}}"#),
            (r#"["\u0073word\u0022fish\u002Fta\u005cngo"]"#, r#"["[secret]"]"#),
            (r"[ 1234567890123456 , -91234567890123456.5,true]", r#"[ "[secret]" , "[secret]",true]"#),
            (r#""1234567890123456""#, r#""[secret]""#),
        ] {
            assert_eq!(struck(json).unwrap(), left);
        }
        for json in [
            r#"{"a":"x","b":"\\","c":"sword\"fish/ta\\ng"}"#,
            r#"{"a":"fifteen-letters","sword":"fish"}"#,
            r#"{"a":"sword\\\"fish/ta\\ngo"}"#,
            "123456789012345",
            "null",
        ] {
            assert_eq!(struck(json), None, "{json}");
        }
        assert_eq!(of(&[]).strike_out_of_values(&r#"["\\"]"#.into()), None);
    }
}
