//! Conditions on writes: how the `ETag` of a contact is made, and whether an `If-Match` holds.
//!
//! The tag is a digest of the fields that a caller can write: the unified fields that the CRM stores and the
//! declared `remoteFields`. Times and other fields that only the CRM sets are left out, because they change
//! without a write. Fields that the read does not show are marked, so that they differ from empty ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::compare::value_of;
use super::ids;
use crate::adapters::{AdapterSpec, Verify, Write};
use crate::blocking;
use crate::domain::{Address, CallContext, Contact, Field, RawJson, ReadBy, Text};
use crate::gateway::credentials::ConnectedCredential;
use crate::json;
use crate::sealing::{push_prefixed, sha256};

/// What a write requires of the contact before the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `*`: the contact exists.
    Exists,
    /// The contact has one of these tags, quotes included. A weak tag, `W/"…"`, never matches.
    OneOf(Vec<Text>),
}

impl Condition {
    /// A canonical text: conditions with the same meaning have the same text.
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Exists => "*".to_owned(),
            Self::OneOf(tags) => {
                let mut tags: Vec<&str> = tags.iter().map(Text::as_str).collect();
                tags.sort_unstable();
                tags.dedup();
                tags.join(",")
            }
        }
    }

    pub(super) fn holds(&self, tag: &Text) -> bool {
        match self {
            Self::Exists => true,
            Self::OneOf(tags) => tags.contains(tag),
        }
    }
}

/// The tag of a written contact, computed even after the deadline; `None` if the contact was not read by its
/// id.
pub(super) async fn tag_of_written(
    context: &CallContext,
    opened: &ConnectedCredential,
    contact: &Contact,
) -> Option<Text> {
    if contact.read_by != ReadBy::Id {
        return None;
    }
    Some(blocking::however_late(context, contact.size(), || tag(opened, contact)).await)
}

/// The strong entity tag of a contact that was read by its id, quotes included.
pub(super) fn tag(opened: &ConnectedCredential, contact: &Contact) -> Text {
    made(opened.spec, &ids::make(&opened.id, &contact.remote_id), contact)
}

fn made(spec: &AdapterSpec, id: &str, contact: &Contact) -> Text {
    let digest = sha256(&TagParts::of(spec, id, contact).0);
    Text::from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest)))
}

/// The version of the tag's format. Increase it with every change of the format, so that a tag has only one
/// meaning.
const VERSION: &str = "contact 1";

/// The parts of a tag, each after its length, so that different lists of parts give different bytes.
struct TagParts(Vec<u8>);

impl TagParts {
    /// For each writable field: its name, whether it is seen, the number of its values, its values.
    fn of(spec: &AdapterSpec, id: &str, contact: &Contact) -> Self {
        let mut parts = Self(Vec::with_capacity(2 * contact.size()));
        parts.add(VERSION);
        parts.add(id);
        let written = |write: Write| matches!(write, Write::Stored(_) | Write::Partly(_));
        for field in spec.fields.iter().filter(|spec| written(spec.write)).map(|spec| spec.field) {
            parts.add(field.name());
            parts.add(seen(contact, field));
            parts.add_values(spec, field, contact);
        }
        parts
    }

    fn add(&mut self, part: &str) {
        push_prefixed(&mut self.0, &[part.as_bytes()]);
    }

    /// A missing text differs from an empty one.
    fn add_text(&mut self, text: Option<&Text>) {
        let (mark, text) = text.map_or(("-", ""), |text| ("+", text.as_str()));
        push_prefixed(&mut self.0, &[mark.as_bytes(), text.as_bytes()]);
    }

    fn add_texts<'t>(&mut self, count: usize, texts: impl Iterator<Item = Option<&'t Text>>) {
        self.add(&count.to_string());
        texts.for_each(|text| self.add_text(text));
    }

    fn add_values(&mut self, spec: &AdapterSpec, field: Field, contact: &Contact) {
        match field {
            Field::FirstName => self.add_texts(1, std::iter::once(contact.first_name.as_ref())),
            Field::LastName => self.add_texts(1, std::iter::once(contact.last_name.as_ref())),
            Field::Account => self.add_texts(1, std::iter::once(contact.account.as_ref())),
            Field::Addresses => {
                let parts = || contact.addresses.iter().flat_map(Address::parts).map(|(_, part, _)| part);
                self.add_texts(parts().count(), parts());
            }
            Field::EmailAddresses => {
                let emails = &contact.email_addresses;
                let parts = emails.iter().flat_map(|email| [Some(&email.address), email.kind.as_ref()]);
                self.add_texts(2 * emails.len(), parts);
            }
            Field::PhoneNumbers => {
                let phones = &contact.phone_numbers;
                let parts = phones.iter().flat_map(|phone| [Some(&phone.number), phone.kind.as_ref()]);
                self.add_texts(2 * phones.len(), parts);
            }
            Field::RemoteFields => {
                let fields = remote_fields(spec, contact);
                self.add(&(2 * fields.len()).to_string());
                for (name, value) in fields {
                    self.add(name);
                    self.add(&value);
                }
            }
            // Types are parts of their lists; the others are set only by the CRM.
            Field::EmailAddressType
            | Field::PhoneNumberType
            | Field::LastActivityAt
            | Field::RemoteCreatedAt
            | Field::RemoteUpdatedAt
            | Field::RemoteDeleted => self.add("0"),
        }
    }
}

fn seen(contact: &Contact, field: Field) -> &'static str {
    match (contact.unseen.contains(field), contact.partial.contains(field)) {
        (true, _) => "unseen",
        (false, true) => "partial",
        (false, false) => "whole",
    }
}

/// The declared fields by their declared names, sorted, independent of the CRM's order and spelling.
fn remote_fields(spec: &AdapterSpec, contact: &Contact) -> Vec<(&'static str, String)> {
    let declared = contact.remote_fields.0.iter().filter_map(|(name, value)| {
        let declared = spec.remote_field(name)?;
        let value = match declared.verify {
            Verify::Values { .. } => members(declared.verify, value),
            Verify::Exact | Verify::Normalised | Verify::Never => json::canonical(value.as_str()),
        };
        Some((declared.name, value))
    });
    let mut declared: Vec<_> = declared.collect();
    declared.sort_unstable();
    declared
}

/// An object of values: each key with its value, without its description. A key without a value counts as
/// missing, because CRMs show either.
fn members(verify: Verify, value: &RawJson) -> String {
    let Some(members) = json::members(value.as_str()) else { return json::canonical(value.as_str()) };
    let plain = members.0.iter().filter_map(|(name, raw)| {
        let value = value_of(verify, raw.get());
        (json::kind(value) != json::Kind::Null).then(|| (name.as_ref(), json::canonical(value)))
    });
    let mut plain: Vec<(&str, String)> = plain.collect();
    plain.sort_unstable();
    let parts: Vec<&str> = plain.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
    serde_json::Value::from(parts).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hint::black_box;

    use super::*;
    use crate::adapters::spec;
    use crate::domain::{EmailAddress, PhoneNumber, RemoteFields, RemoteId};
    use crate::instructions::linear;

    fn raw(text: &str) -> RawJson {
        RawJson::from_validated(text.into())
    }

    fn email(address: &str, kind: Option<&str>) -> EmailAddress {
        EmailAddress { address: address.into(), kind: kind.map(Text::from) }
    }

    fn ada() -> Contact {
        let remote = [
            ("title", "\"Countess\""),
            ("duogram", "\"AB\""),
            ("customFields", "{\"a\":{\"name\":\"Role\",\"value\":\"x\"}}"),
        ];
        Contact {
            first_name: Some("Ada".into()),
            last_name: Some("Byron".into()),
            email_addresses: vec![email("ada@example.com", Some("main")), email("b@example.com", None)],
            phone_numbers: vec![PhoneNumber { number: "+14165550277".into(), kind: Some("mobile".into()) }],
            remote_fields: RemoteFields(remote.map(|(name, value)| (name.into(), raw(value))).to_vec()),
            ..Contact::bare(RemoteId::from("abc123"))
        }
    }

    fn of(contact: &Contact) -> Text {
        made(spec("aptly").unwrap(), "con_1", contact)
    }

    fn remote(name: &'static str, value: &str) -> Contact {
        let mut contact = ada();
        contact.remote_fields.0.retain(|(known, _)| known != name);
        contact.remote_fields.0.push((name.into(), raw(value)));
        contact
    }

    /// Clients keep tags over a restart, across replicas and over an upgrade of the gateway.
    #[test]
    fn a_tag_is_the_same_in_every_process() {
        // Computed independently of this code, from the parts as described above.
        assert_eq!(of(&ada()).as_str(), "\"XSCtjXqGlYjYoi7ChamkUIrxIJHBXUwQoax76tUC3XQ\"");
    }

    #[test]
    fn what_a_reading_does_not_show_is_told_apart_from_what_is_empty() {
        let mut seen = HashSet::from([of(&ada())]);
        for field in [
            Field::Account,
            Field::FirstName,
            Field::EmailAddresses,
            Field::PhoneNumbers,
            Field::RemoteFields,
        ] {
            let (mut unseen, mut partial) = (ada(), ada());
            unseen.unseen.insert(field);
            partial.partial.insert(field);
            assert!(seen.insert(of(&unseen)) && seen.insert(of(&partial)), "{field:?}");
        }
        for contact in [
            Contact { account: Some("".into()), ..ada() },
            Contact { account: Some("-".into()), ..ada() },
            Contact {
                email_addresses: vec![email("ada@example.com", None), email("b@example.com", None)],
                ..ada()
            },
            Contact { email_addresses: vec![email("ada@example.com", Some("main"))], ..ada() },
            Contact { email_addresses: Vec::new(), ..ada() },
            remote("title", "null"),
            remote("title", "\"\""),
            remote("customFields", "{\"b\":\"x\"}"),
            remote("customFields", "{\"a\":\"x\",\"b\":\"y\"}"),
            remote("customFields", "{\"a\":\"x\\\",\\\"b\\\",\\\"y\"}"),
            remote("isCompany", "false"),
        ] {
            assert!(seen.insert(of(&contact)), "{contact:?}");
        }
        // Fields that cannot be written in this CRM are no part of the tag.
        let mut unseen = ada();
        unseen.unseen.insert(Field::RemoteUpdatedAt);
        unseen.unseen.insert(Field::Addresses);
        assert_eq!(of(&unseen), of(&ada()));
    }

    #[test]
    fn a_custom_field_counts_by_its_value_and_a_declared_field_in_any_spelling() {
        for same in [
            remote("customFields", "{\"a\":\"x\"}"),
            remote(
                "customFields",
                "{ \"b\": {\"name\":\"New\",\"value\":null}, \"a\": {\"value\":\"\\u0078\",\"name\":\"Other\"} }",
            ),
            remote("duogram", "\"XX\""),
            remote("alerts", "[1]"),
        ] {
            assert_eq!(of(&same), of(&ada()), "{:?}", same.remote_fields);
        }
        let mut spelled = ada();
        spelled.remote_fields.0.reverse();
        for (name, _) in &mut spelled.remote_fields.0 {
            *name = match name.as_str() {
                "title" => "Title".into(),
                "customFields" => "Custom Fields".into(),
                other => other.into(),
            };
        }
        assert_eq!(of(&spelled), of(&ada()));
    }

    #[test]
    fn a_tag_takes_linear_work() {
        linear(
            "gateway::contacts::condition::tests::a_tag_takes_linear_work",
            &[
                ("entries", 500, |n| {
                    let emails = (0..n).rev().map(|n| email(&format!("a{n}@example.com"), Some("main")));
                    let contact = Contact { email_addresses: emails.collect(), ..ada() };
                    Box::new(move || drop(black_box(of(&contact))))
                }),
                ("custom fields", 500, |n| {
                    let fields: Vec<String> =
                        (0..n).rev().map(|n| format!("\"cf{n:06}\":{{\"value\":\"{n}\"}}")).collect();
                    let contact = remote("customFields", &format!("{{{}}}", fields.join(",")));
                    Box::new(move || drop(black_box(of(&contact))))
                }),
                ("spellings of a declared field", 500, |n| {
                    let mut contact = ada();
                    let name = |n: usize| {
                        format!("{}title", format!("{n:012b}").replace('0', "-").replace('1', "_"))
                    };
                    contact.remote_fields =
                        RemoteFields((0..n).map(|n| (name(n).into(), raw("{\"a\":1}"))).collect());
                    Box::new(move || drop(black_box(of(&contact))))
                }),
            ],
        );
    }
}
