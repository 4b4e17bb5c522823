//! Looks for canaries in what was written: as they are, and in every encoding that a careless line would give them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Something unique that must not turn up.
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    forms: Vec<String>,
}

impl Canary {
    pub(crate) fn new(name: &'static str, value: impl AsRef<[u8]>) -> Self {
        Self { name, forms: forms(value.as_ref()) }
    }

    fn sings_in(&self, place: &str) -> bool {
        self.forms.iter().any(|form| place.contains(form))
    }
}

/// Which canaries are in `place`.
pub(crate) fn found(canaries: &[Canary], place: impl AsRef<[u8]>) -> Vec<&'static str> {
    let place = latin(place.as_ref());
    canaries.iter().filter(|canary| canary.sings_in(&place)).map(|canary| canary.name).collect()
}

/// Each byte as one character, so that any bytes can be searched as text, which is fast.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn forms(value: &[u8]) -> Vec<String> {
    assert!(value.len() >= 5, "too short to be unique");
    let mut forms = vec![latin(value)];
    for engine in [&STANDARD, &URL_SAFE] {
        forms.extend((0..3).map(|offset| aligned(engine, value, offset)));
    }
    let hex = each(value, |out, byte| write!(out, "{byte:02x}"));
    forms.extend([hex.to_uppercase(), hex]);
    for always in [false, true] {
        let kept = |byte: u8| !always && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let escaped = each(value, |out, byte| {
            if kept(byte) { write!(out, "{}", char::from(byte)) } else { write!(out, "%{byte:02X}") }
        });
        forms.extend([escaped.to_lowercase(), escaped]);
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_json::Value::from(text).to_string();
        forms.push(latin(json.trim_matches('"').as_bytes()));
        let codes = text.encode_utf16().fold(String::new(), |out, code| out + &format!("\\u{code:04x}"));
        forms.push(codes);
        forms.push(latin(format!("{text:?}").trim_matches('"').as_bytes()));
        // A list of numbers is how `Debug` shows bytes.
        forms.push(value.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    }
    forms
}

/// The part of the encoding that does not depend on what stands around the value.
fn aligned(engine: &impl Engine, value: &[u8], offset: usize) -> String {
    let padded = [&[0; 3][..offset], value].concat();
    let encoded = engine.encode(&padded);
    encoded[(offset * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

fn each(value: &[u8], write: impl Fn(&mut String, u8) -> std::fmt::Result) -> String {
    let mut out = String::new();
    for byte in value {
        write(&mut out, *byte).unwrap();
    }
    out
}

#[test]
fn the_sweep_finds_every_encoding_wherever_it_stands() {
    let value = "pa\"s/7+kz€81";
    let canaries = [Canary::new("it", value), Canary::new("another", "another one")];
    let percent: String = value.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02x}"));
    let hex: String = value.bytes().fold(String::new(), |out, byte| out + &format!("{byte:02X}"));
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut planted = vec![value.to_owned(), percent, hex.to_lowercase(), hex, form, format!("{value:?}")];
    planted.push(serde_json::json!({ "x": value }).to_string());
    planted.push(format!("{:?}", value.as_bytes()));
    for before in ["", "a", "ab", "abc"] {
        for after in ["", "z", "yz"] {
            let whole = format!("{before}{value}{after}");
            planted.extend([STANDARD.encode(&whole), URL_SAFE.encode(&whole)]);
        }
    }
    for text in planted {
        assert_eq!(found(&canaries, format!("\u{0}\u{fffd} before {text} after")), ["it"], "{text}");
    }
    let harmless = ["", "pa\"s/7+kz€8", "a line without it"];
    assert!(harmless.iter().all(|text| found(&canaries, text).is_empty()));
}
