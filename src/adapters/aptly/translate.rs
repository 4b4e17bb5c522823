//! Conversion between Aptly's contacts and ours. No I/O.

mod boards;
mod body;
#[cfg(test)]
mod cases;
mod custom_fields;
mod decode;
mod encode;
#[cfg(test)]
#[path = "../../../tests/properties/aptly.rs"]
mod properties;

pub(super) use boards::{ContactTypes, decode_boards, decode_type_ids};
pub(super) use custom_fields::Definitions;
pub(super) use decode::{PAGE_SIZE, decode_account, decode_page, decode_single, decode_written};
pub(super) use encode::{AptlyChange, Format, RULES};

use std::borrow::Cow;
use std::collections::HashSet;

use self::decode::unwrapped;
use crate::adapters::adapter::Pushed;
use crate::adapters::aptly::SPEC;
use crate::adapters::aptly::wire::AptlyContactWire;
use crate::adapters::contact_list::LONGEST_SEARCH;
use crate::adapters::lenient_reader::LenientReader;
use crate::adapters::reading::Named;
use crate::adapters::remote;
use crate::domain::{
    Contact, ContactDraft, ContactPatch, Failure, Field, FilterName, FilterValue, RawJson, Region,
    RemoteFields, RemoteId, Result, Text, digits, field_key,
};
use crate::json::{self, CheckedJson, Kind, Raw};
use crate::upstream::{Decoded, STRUCK_OUT, Secrets};

/// How many e-mail addresses of one contact are used to search for its row.
const EMAIL_SEARCHES: usize = 3;

/// Native parameters of the filters that are declared as pushed down.
pub(super) fn encode_filters(pushed: &Pushed, region: Region) -> Result<Vec<(&'static str, String)>> {
    let mut encoded = Vec::new();
    let mut words = String::new();
    for filter in &pushed.filters {
        match (filter.name, &filter.value) {
            (FilterName::EmailAddress, FilterValue::Text(text)) => {
                encoded.push(("email", text.as_str().to_owned()));
            }
            (FilterName::RemoteUpdatedAtMin, FilterValue::Time(time)) => {
                encoded.push(("updated_after", time.to_string()));
            }
            (FilterName::RemoteUpdatedAtMax, FilterValue::Time(time)) => {
                encoded.push(("updated_before", time.to_string()));
            }
            (FilterName::PhoneNumber, FilterValue::Text(_)) => {
                encoded.extend(filter.phone_digits(region).map(|digits| ("phone", digits)));
            }
            (name, FilterValue::Text(_)) if name.is_name_search() => {
                // Every word must occur in the full name, so the words of all filters go together.
                for word in filter.search_words() {
                    if words.len() + word.len() < LONGEST_SEARCH {
                        words.push_str(if words.is_empty() { "" } else { " " });
                        words.push_str(word);
                    }
                }
            }
            (name, _) => return Err(SPEC.undeclared(name)),
        }
    }
    encoded.extend((!words.is_empty()).then_some(("name", words)));
    Ok(encoded)
}

/// Checks the credential's `createDefaults` by the rules of request bodies: invalid defaults are refused with
/// the credential, not on every create. Names of custom fields are only known after contacts were read:
/// [`check_defaults`] checks these.
pub(super) fn defaults(setting: Option<&RawJson>, format: Format) -> Result<RemoteFields> {
    let fields = RULES.defaults(setting)?;
    let (custom, plain): (Vec<_>, Vec<_>) =
        fields.0.iter().cloned().partition(|(name, _)| is_custom_fields(name));
    let custom = custom.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(_, value)| {
        custom_fields::check_shape(value, "/remoteFields/customFields").map_err(Failure::validation)
    });
    custom.map_err(remote::of_setting)?;
    check_defaults(&RemoteFields(plain), &Definitions::default(), format)?;
    Ok(fields)
}

/// Fails if a create with `fields` would be refused.
pub(super) fn check_defaults(fields: &RemoteFields, definitions: &Definitions, format: Format) -> Result<()> {
    let draft =
        ContactDraft { remote_fields: fields.clone(), ..ContactDraft::of_name(Text::from_static("x")) };
    let change = AptlyChange::of_draft(&draft, definitions, Region::default());
    change.and_then(|change| change.encode(format)).map(drop).map_err(remote::of_setting)
}

pub(super) fn has_custom_fields(fields: &RemoteFields) -> bool {
    fields.0.iter().any(|(name, value)| is_custom_fields(name) && !value.is_null())
}

fn is_custom_fields(name: &str) -> bool {
    field_key(name) == "customfields"
}

/// Whether the response about the key is that of version 3, which accepts native keys.
pub(super) fn is_v3(text: &str) -> bool {
    let members = json::members(text);
    let has = |name: &str| {
        let member = members.as_ref().and_then(|members| members.get(name));
        member.is_some_and(|raw| json::kind(raw.get()) != Kind::Null)
    };
    has("type") && has("companyId")
}

/// Whether the contact of a native create has neither the names nor the addresses that were sent.
pub(super) fn ignored_native(body: Option<&str>, sent: &ContactPatch, shown: &Contact) -> bool {
    let told = [Field::FirstName, Field::LastName, Field::EmailAddresses];
    if !told.into_iter().all(|field| shown.shows(field)) {
        return false;
    }
    let is_native = body.and_then(json::members).is_some_and(|body| body.get("lastname").is_some());
    let emails = sent.email_addresses.value().is_none() || shown.email_addresses.is_empty();
    is_native && emails && shown.first_name.is_none() && shown.last_name.is_none()
}

/// A contact as a single read shows it. If the read is incomplete, also the searches that find its row in the
/// list, the most likely first.
pub(super) struct Single {
    pub(super) contact: Contact,
    pub(super) searches: Vec<(&'static str, String)>,
}

impl Single {
    pub(super) fn decode(text: &CheckedJson, id: &RemoteId) -> Result<Self> {
        let contact = decode_single(text, id)?;
        if is_complete(&contact) {
            return Ok(Self { contact, searches: Vec::new() });
        }
        let read = LenientReader(text);
        let records = unwrapped(read, read.whole()?)?.into_iter().map(AptlyContactWire::read);
        let record = records.into_iter().find(|record| {
            let found = record.id.and_then(|raw| json::string(raw.get()));
            found.is_some_and(|found| found == id.as_str())
        });
        Ok(Self { contact, searches: record.as_ref().map_or_else(Vec::new, own_searches) })
    }
}

impl Decoded for Single {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        self.searches.retain(|(_, text)| !text.contains(STRUCK_OUT));
        self.contact.remove_secrets(secrets, struck)
    }
}

/// Whether a row of the list would show nothing more of this contact.
pub(super) fn is_complete(single: &Contact) -> bool {
    // The fields that rows show.
    const SHOWN: [Field; 6] = [
        Field::FirstName,
        Field::LastName,
        Field::EmailAddresses,
        Field::PhoneNumbers,
        Field::RemoteCreatedAt,
        Field::RemoteUpdatedAt,
    ];
    SHOWN.iter().all(|field| single.shows(*field))
}

/// Searches by the texts of a record exactly as it shows them: its e-mail addresses (a text with several as a
/// whole and in parts), the digits of its first number, its name. Texts that do not fit into a URL are left
/// out.
fn own_searches(record: &AptlyContactWire<'_>) -> Vec<(&'static str, String)> {
    let of = |named: Option<&Named<'_>>| named.map_or_else(Vec::new, |(_, raw)| own_texts(*raw));
    let mut searches: Vec<(&'static str, String)> = Vec::new();
    for text in of(record.emails.as_ref()) {
        let parts = text.split(',').map(|part| part.trim().to_owned()).filter(|part| part.contains('@'));
        let parts: Vec<String> = parts.take(EMAIL_SEARCHES).collect();
        searches.extend(std::iter::once(text).chain(parts).map(|text| ("email", text)));
    }
    let mut seen = HashSet::new();
    searches.retain(|(_, text)| text.len() <= LONGEST_SEARCH && seen.insert(text.clone()));
    searches.truncate(EMAIL_SEARCHES);
    let phones = record.phones.iter().chain(record.typed_phones.iter().map(|(_, named)| named));
    let phone = phones.flat_map(|(_, raw)| own_texts(*raw)).map(|text| digits(&text)).next();
    let full = record.full_names.first().map_or_else(Vec::new, |(_, raw)| own_texts(*raw));
    let parts = of(record.first_name.as_ref()).into_iter().chain(of(record.last_name.as_ref()));
    let parts = parts.collect::<Vec<_>>().join(" ");
    let name = if parts.is_empty() { full.into_iter().next() } else { Some(parts) };
    let others = [("phone", phone), ("name", name)].into_iter();
    let others = others.filter_map(|(parameter, text)| text.map(|text| (parameter, text)));
    searches.extend(others.filter(|(_, text)| !text.is_empty() && text.len() <= LONGEST_SEARCH));
    searches
}

/// The texts of a value, or of the first entries of a list. Blank texts are left out.
fn own_texts(raw: Raw<'_>) -> Vec<String> {
    let entries = match json::kind(raw.get()) {
        Kind::List => json::elements(raw.get()).unwrap_or_default(),
        _ => vec![raw],
    };
    let text = |entry: Raw<'_>| {
        let members = if json::kind(entry.get()) == Kind::Object { json::members(entry.get()) } else { None };
        let value = ["value", "email", "address", "number"].iter().find_map(|key| members.as_ref()?.get(key));
        let raw = value.map_or(entry.get(), |value| value.get());
        match json::kind(raw) {
            Kind::String => json::string(raw).map(Cow::into_owned),
            Kind::Number => Some(raw.to_owned()),
            _ => None,
        }
    };
    entries.into_iter().take(EMAIL_SEARCHES).filter_map(text).filter(|text| !text.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::domain::{EmailAddress, Patch, PhoneIdentity, PhoneNumber};
    use crate::instructions::{Work, linear};

    fn fields(n: usize, name: &str, value: impl Fn(usize) -> String) -> String {
        (0..n).map(|n| format!("\"{name}{n}\":{}", value(n))).collect::<Vec<_>>().join(",")
    }

    fn elements(n: usize, value: impl Fn(usize) -> String) -> String {
        (0..n).map(value).collect::<Vec<_>>().join(",")
    }

    fn custom_fields(n: usize) -> String {
        let value = |n| format!("{{\"name\":\"Field {n}\",\"dataType\":\"text\",\"value\":\"{n}\"}}");
        format!("{{\"_id\":\"abc123\",\"customFields\":{{{}}}}}", fields(n, "cf", value))
    }

    fn contact(record: &str) -> Contact {
        decode_single(&CheckedJson::from(record), &RemoteId::from("abc123")).unwrap()
    }

    fn single(record: String) -> Work {
        let record = CheckedJson::from(record);
        Box::new(move || drop(black_box(decode_single(&record, &RemoteId::from("abc123")).unwrap())))
    }

    fn page(rows: &str) -> Work {
        let page = CheckedJson::from(format!("{{\"data\":[{rows}]}}"));
        Box::new(move || drop(black_box(decode_page(&page).unwrap())))
    }

    #[test]
    fn decoding_takes_linear_work() {
        linear(
            "adapters::aptly::translate::tests::decoding_takes_linear_work",
            &[
                ("rows", 500, |n| {
                    page(&elements(n, |n| format!("{{\"_id\":\"id{n}\",\"fullname\":\"A B\"}}")))
                }),
                ("fields", 1000, |n| {
                    page(&format!("{{\"_id\":\"abc123\",{}}}", fields(n, "f", |n| n.to_string())))
                }),
                ("custom fields", 1000, |n| single(custom_fields(n))),
                ("e-mail addresses", 1000, |n| {
                    let emails = elements(n, |n| format!("\"a{n}@example.com\""));
                    single(format!("{{\"_id\":\"abc123\",\"email\":[{emails}]}}"))
                }),
                ("e-mail addresses in one text", 1000, |n| {
                    let emails = elements(n, |n| format!("a{n}@example.com"));
                    single(format!("{{\"_id\":\"abc123\",\"email\":\"{emails}\"}}"))
                }),
                ("phone numbers", 1000, |n| {
                    let phones =
                        elements(n, |n| format!("{{\"number\":\"+1415555{n:04}\",\"verified\":true}}"));
                    single(format!("{{\"_id\":\"abc123\",\"phone\":[{phones}]}}"))
                }),
                ("spellings of names beside a name of blanks", 2000, |n| {
                    let spelled = |n: usize| format!("{n:012b}").replace('0', "-").replace('1', "_");
                    let names = elements(n / 10, |n| format!("\"{}fullname\":\"x y\"", spelled(n)));
                    let blanks = " ".repeat(names.len());
                    single(format!("{{\"_id\":\"abc123\",\"firstname\":\"{blanks}x\",{names}}}"))
                }),
                ("a single read and its row", 1000, |n| {
                    let one = contact(&format!("{{\"_id\":\"abc123\",{}}}", fields(n, "f", |_| "1".into())));
                    let row = contact(&format!("{{\"_id\":\"abc123\",{}}}", fields(n, "r", |_| "1".into())));
                    Box::new(move || drop(black_box(crate::adapters::reading::merge(one, row))))
                }),
            ],
        );
    }

    #[test]
    fn encoding_takes_linear_work() {
        // The library reads its tables once.
        drop(PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "adapters::aptly::translate::tests::encoding_takes_linear_work",
            &[
                ("custom fields by name", 1000, |n| {
                    let held = contact(&custom_fields(n));
                    // As many as a write may name; each is the last to be found.
                    let sent = (0..n / 10).map(|sent| format!("\"field-{}\":\"x\"", n - 1 - sent));
                    changed(held, &format!("{{{}}}", sent.collect::<Vec<_>>().join(",")))
                }),
                ("custom fields that are not known", 1000, |n| {
                    let held = contact(&custom_fields(n));
                    let sent = RemoteFields(vec![custom(&format!(
                        "{{{}}}",
                        fields(n, "CFaaaaaaaaaaa", |_| "1".into())
                    ))]);
                    Box::new(move || {
                        black_box(Definitions::of(Some(&held)).needed_for(&sent, &HashSet::new()));
                    })
                }),
                ("custom fields of many contacts", 500, |n| {
                    let rows: Vec<Contact> = (0..n)
                        .map(|n| {
                            contact(&format!(
                                "{{\"_id\":\"abc123\",\"customFields\":{{\"id{n}\":{{\"name\":\"f{n}\"}}}}}}"
                            ))
                        })
                        .collect();
                    Box::new(move || {
                        drop(black_box(rows.iter().fold(Definitions::default(), Definitions::and)));
                    })
                }),
                ("e-mail addresses", 1000, |n| {
                    let email = |n| EmailAddress { address: format!("a{n}@example.com").into(), kind: None };
                    drafted(ContactDraft { email_addresses: (0..n).map(email).collect(), ..nobody() })
                }),
                ("phone numbers", 100, |n| {
                    let phone = |n| PhoneNumber { number: format!("+1415555{n:04}").into(), kind: None };
                    drafted(ContactDraft { phone_numbers: (0..n).map(phone).collect(), ..nobody() })
                }),
            ],
        );
    }

    fn custom(fields: &str) -> (Text, RawJson) {
        ("customFields".into(), RawJson::from_validated(fields.into()))
    }

    fn changed(held: Contact, fields: &str) -> Work {
        let remote_fields = RemoteFields(vec![custom(fields)]);
        let patch = ContactPatch { remote_fields, first_name: Patch::Clear, ..ContactPatch::default() };
        Box::new(move || {
            let definitions = Definitions::of(Some(&held));
            assert!(!definitions.needed_for(&patch.remote_fields, &HashSet::new()));
            let change = AptlyChange::of_patch(&held, &patch, &definitions, Region::default()).unwrap();
            drop(black_box(change.encode(Format::Auto).unwrap()));
        })
    }

    fn nobody() -> ContactDraft {
        ContactDraft::of_name("x".into())
    }

    fn drafted(draft: ContactDraft) -> Work {
        Box::new(move || {
            let change = AptlyChange::of_draft(&draft, &Definitions::default(), Region::default()).unwrap();
            drop(black_box(change.encode(Format::Auto).unwrap()));
        })
    }
}
