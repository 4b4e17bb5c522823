//! Conditions on writes: how the `ETag` of a contact is made, and whether an `If-Match` holds.
//!
//! The tag is a digest of the fields that a caller can write: the unified fields that the CRM stores and the
//! declared `remoteFields`. Times and other fields that only the CRM sets are left out, because they change
//! without a write. Fields that the read does not show are marked, so that they differ from empty ones.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::compare::value_of;
use super::ids;
use crate::adapters::{AdapterSpec, Verify, Write};
use crate::blocking;
use crate::domain::{Address, CallContext, Contact, Field, RawJson, ReadBy, Text};
use crate::gateway::credentials::ConnectedCredential;
use crate::json;
use crate::sealing::{length_prefixed, sha256};

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
    let parts = parts(spec, id, contact);
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    Text::from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(sha256(&length_prefixed(&parts)))))
}

/// The version of the tag's format. Increase it with every change of the format, so that a tag has only one
/// meaning.
const VERSION: &str = "contact 1";

type BodyPart<'a> = Cow<'a, str>;

/// For each writable field: its name, whether it is seen, the number of its values, its values.
fn parts<'a>(spec: &'a AdapterSpec, id: &'a str, contact: &'a Contact) -> Vec<BodyPart<'a>> {
    let mut parts = vec![Cow::Borrowed(VERSION), Cow::Borrowed(id)];
    let written = |write: Write| matches!(write, Write::Stored(_) | Write::Partly(_));
    for field in spec.fields.iter().filter(|spec| written(spec.write)).map(|spec| spec.field) {
        let values = values(spec, field, contact);
        let count = values.len().to_string();
        parts.extend([Cow::Borrowed(field.name()), Cow::Borrowed(seen(contact, field)), Cow::Owned(count)]);
        parts.extend(values);
    }
    parts
}

fn seen(contact: &Contact, field: Field) -> &'static str {
    match (contact.unseen.contains(field), contact.partial.contains(field)) {
        (true, _) => "unseen",
        (false, true) => "partial",
        (false, false) => "whole",
    }
}

fn values<'a>(spec: &'a AdapterSpec, field: Field, contact: &'a Contact) -> Vec<BodyPart<'a>> {
    match field {
        Field::FirstName => vec![optional(contact.first_name.as_ref())],
        Field::LastName => vec![optional(contact.last_name.as_ref())],
        Field::Account => vec![optional(contact.account.as_ref())],
        Field::Addresses => {
            let parts = contact.addresses.iter().flat_map(Address::parts);
            parts.map(|(_, part, _)| optional(part)).collect()
        }
        Field::EmailAddresses => {
            let parts = contact.email_addresses.iter().map(|email| (&email.address, email.kind.as_ref()));
            parts.flat_map(|(address, kind)| [optional(Some(address)), optional(kind)]).collect()
        }
        Field::PhoneNumbers => {
            let parts = contact.phone_numbers.iter().map(|phone| (&phone.number, phone.kind.as_ref()));
            parts.flat_map(|(number, kind)| [optional(Some(number)), optional(kind)]).collect()
        }
        Field::RemoteFields => remote_fields(spec, contact),
        // Types are parts of their lists; the others are set only by the CRM.
        Field::EmailAddressType
        | Field::PhoneNumberType
        | Field::LastActivityAt
        | Field::RemoteCreatedAt
        | Field::RemoteUpdatedAt
        | Field::RemoteDeleted => Vec::new(),
    }
}

/// Differs from an empty text.
fn optional(text: Option<&Text>) -> BodyPart<'_> {
    text.map_or(Cow::Borrowed("-"), |text| Cow::Owned(format!("+{}", text.as_str())))
}

/// The declared fields by their declared names, sorted, independent of the CRM's order and spelling.
fn remote_fields<'a>(spec: &'a AdapterSpec, contact: &'a Contact) -> Vec<BodyPart<'a>> {
    let declared = contact.remote_fields.0.iter().filter_map(|(name, value)| {
        let declared = spec.remote_field(name)?;
        let value = match declared.verify {
            Verify::Values { .. } => members(declared.verify, value),
            Verify::Exact | Verify::Normalised | Verify::Never => json::canonical(value.as_str()),
        };
        Some((declared.name, value))
    });
    let mut declared: Vec<(&str, String)> = declared.collect();
    declared.sort_unstable();
    declared.into_iter().flat_map(|(name, value)| [Cow::Borrowed(name), Cow::Owned(value)]).collect()
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
