//! What translation costs, counted in instructions. The test fails if a count rises by more than 5 % over the noted one.
//!
//! The counts are of this test's own build. A debug build takes more instructions than the published one, but the same work:
//! what is parsed twice, copied or allocated shows in both. Counts of another compiler are not compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;

use super::{aptly, pipeline};
use crate::domain::{ContactDraft, EmailAddress, PhoneNumber};
use crate::instructions::{self, Work};
use crate::json::CheckedJson;

/// A CRM's work, by name.
pub(super) type Works = Vec<(String, Work)>;

const TEST: &str = "adapters::costs::translation_costs_no_more_than_is_noted";
const NOTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/translation.txt");
/// By how many percent a count may exceed the noted one.
const MOST_PERCENT: u64 = 5;

/// `decode` of each text.
pub(super) fn decoding<T>(
    texts: impl IntoIterator<Item = (String, String)>,
    decode: fn(&CheckedJson) -> T,
) -> impl Iterator<Item = (String, Work)>
where
    T: 'static,
{
    texts.into_iter().map(move |(name, text)| {
        let text = CheckedJson::from(text);
        let work: Work = Box::new(move || drop(black_box(decode(&text))));
        (name, work)
    })
}

/// `n` fields of an object, which no unified field reads.
pub(super) fn fields(n: usize, value: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut all, n| {
        let _ = write!(all, ",\"customField{n}\":{}", value(n));
        all
    })
}

/// A draft with one address and one number.
pub(super) fn jane() -> ContactDraft {
    let email = EmailAddress { address: "jane.doe@example.com".into(), kind: None };
    let phone = PhoneNumber { number: "+14165550100".into(), kind: None };
    ContactDraft {
        first_name: Some("Jane".into()),
        email_addresses: vec![email],
        phone_numbers: vec![phone],
        ..ContactDraft::of_name("Doe".into())
    }
}

#[test]
fn translation_costs_no_more_than_is_noted() {
    let works = [("aptly", aptly::costs::works()), ("pipeline", pipeline::costs::works())];
    let named = works
        .into_iter()
        .flat_map(|(crm, works)| works.into_iter().map(move |(name, work)| (format!("{crm}: {name}"), work)));
    let (titles, all_works): (Vec<String>, Vec<Work>) = named.unzip();
    let Some(counts) = instructions::of(TEST, all_works) else { return };
    let counts: BTreeMap<String, u64> = titles.into_iter().zip(counts).collect();
    let build = build();
    let noted = std::fs::read_to_string(NOTED).unwrap_or_default();
    let mut text = format!("# {build}\n");
    for (name, count) in &counts {
        writeln!(text, "{count:>10} {name}").unwrap(); // Writing to a string does not fail.
    }
    println!("{text}");
    if std::env::var_os("UPDATE_COUNTS").is_some() {
        std::fs::write(NOTED, &text).unwrap();
        return;
    }
    if noted.lines().next() != Some(&format!("# {build}")) {
        println!("not compared: the noted counts are of another build; UPDATE_COUNTS=1 notes these");
        return;
    }
    let risen: Vec<String> = noted
        .lines()
        .filter_map(|line| line.trim_start().split_once(' '))
        .filter_map(|(noted, name)| Some((noted.parse::<u64>().ok()?, name, *counts.get(name)?)))
        .filter(|(noted, _, count)| count * 100 > noted * (100 + MOST_PERCENT))
        .map(|(noted, name, count)| format!("{name}: {noted} noted, {count} now"))
        .collect();
    assert!(
        risen.is_empty(),
        "more instructions than noted; if they are worth it: UPDATE_COUNTS=1 cargo test --lib translation_costs\n{}",
        risen.join("\n")
    );
}

/// The compiler and the kind of build. Others count otherwise.
fn build() -> String {
    let rustc = std::process::Command::new("rustc").arg("--version").output().unwrap();
    let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{}, {kind}, {}", String::from_utf8_lossy(&rustc.stdout).trim(), std::env::consts::ARCH)
}
