//! Converts the pipeline CRM's responses: pages in both envelopes, single contacts and results of writes.

use std::borrow::Cow;
use std::collections::HashSet;

use bytestring::ByteString;

use crate::adapters::adapter::Account;
use crate::adapters::lenient_reader::{LenientReader, REMOTE_FIELDS_MOST, unreadable};
use crate::adapters::pipeline::failure;
use crate::adapters::pipeline::wire::PipelineContactWire;
use crate::adapters::reading::{self, ContactReading, Named, Rows};
use crate::domain::{Contact, EmailAddress, Field, PhoneNumber, RemoteId, Result, Text};
use crate::json::{self, Kind, Members, Raw};
use crate::upstream::{Decoded, Secrets};

/// Fields of an entry that a unified field reads.
const ENTRY: [&str; 2] = ["value", "isPrimary"];

/// The stages of a pipeline, each with id and name.
pub(in super::super) struct Stages(pub(in super::super) Vec<(Text, Text)>);

/// Only compared with what a caller sent, never shown.
impl Decoded for Stages {
    fn without_secrets(self, _: &Secrets, _: bool) -> Result<Self> {
        Ok(self)
    }
}

/// `{data: {contacts, total, page, size}, contacts, total}`, or `{data: […]}`: the rows appear once or twice.
pub(in super::super) fn decode_page(text: &ByteString) -> Result<Rows> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let data = whole.get("data");
    let inner = data
        .filter(|raw| json::kind(raw.get()) == Kind::Object)
        .map(|raw| read.object("data", raw))
        .transpose()?;
    let inner = inner.unwrap_or_default();
    let rows = data
        .filter(|raw| json::kind(raw.get()) == Kind::List)
        .or_else(|| inner.get("contacts"))
        .or_else(|| whole.get("contacts"));
    let rows = rows.ok_or_else(|| unreadable("data.contacts", "a list"))?;
    let count = |name: &str| {
        let raw = inner.get(name).or_else(|| whole.get(name));
        raw.map_or(Ok(None), |raw| read.count(name, raw))
    };
    Ok(Rows {
        contacts: reading::rows(read, "data.contacts", rows, |members| decode_contact(read, members))?,
        size: count("size")?.filter(|size| *size > 0),
        page: count("page")?,
        total: count("total")?,
    })
}

/// The organisation of the first row of a list. An empty list shows none.
pub(in super::super) fn decode_account(text: &ByteString) -> Result<Account> {
    let first = decode_page(text)?.checked()?.readable().next();
    let id = first.and_then(|contact| {
        let raw = contact.remote_fields.get("organizationId")?;
        json::string(raw.as_str()).map(|id| Text::from(id.as_ref()))
    });
    Ok(Account { id, name: None })
}

/// A pipeline, bare or inside `data`. Stages without an id or a name are left out.
pub(in super::super) fn decode_stages(text: &ByteString) -> Result<Stages> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let data = whole.get("data").filter(|raw| json::kind(raw.get()) == Kind::Object);
    let data = data.map(|raw| read.object("data", raw)).transpose()?.unwrap_or_default();
    let stages = whole.get("pipelineStages").or_else(|| data.get("pipelineStages"));
    let stages = stages.ok_or_else(|| unreadable("pipelineStages", "a list"))?;
    let text =
        |raw: Option<Raw<'_>>| raw.and_then(|raw| json::string(raw.get())).map(|text| read.slice_of(&text));
    let stages = read.rows("pipelineStages", stages)?.into_iter().filter_map(|stage| {
        let stage = json::members(stage.get())?;
        Some((text(stage.get("_id"))?, text(stage.get("name"))?))
    });
    Ok(Stages(stages.collect()))
}

/// One contact at any place of the undocumented response. Without a record, the path of the setting is wrong.
pub(in super::super) fn decode_single(text: &ByteString, id: &RemoteId) -> Result<Contact> {
    match record(LenientReader(text))? {
        Some(contact) if contact.remote_id == *id => Ok(contact),
        Some(_) => Err(failure::not_found()),
        None => Err(failure::unusable("getPath")),
    }
}

/// The response to a write: `data.contact` overlaid by the top-level `contact`, or `data` itself. Its message
/// is not read: after a create it says "updated".
pub(in super::super) fn decode_written(text: &ByteString) -> Result<Option<Contact>> {
    record(LenientReader(text))
}

/// Checks that something was deleted. The count in the documented example is wrong, so any number above zero is
/// accepted.
pub(in super::super) fn decode_deleted(text: &ByteString) -> Result<()> {
    let read = LenientReader(text);
    let count =
        read.whole()?.get("deletedCount").map(|raw| read.count("deletedCount", raw)).transpose()?.flatten();
    if count == Some(0) { Err(failure::not_found()) } else { Ok(()) }
}

fn record(read: LenientReader<'_>) -> Result<Option<Contact>> {
    let whole = read.whole()?;
    if whole.get("_id").is_some() {
        return decode_contact(read, whole).map(Some);
    }
    let data = whole
        .get("data")
        .filter(|raw| json::kind(raw.get()) == Kind::Object)
        .map(|raw| read.object("data", raw));
    let data = data.transpose()?.unwrap_or_default();
    let thin = data.get("contact").map(|raw| read.object("data.contact", raw)).transpose()?;
    let full = whole.get("contact").map(|raw| read.object("contact", raw)).transpose()?;
    match (thin, full) {
        (Some(thin), Some(full)) => decode_contact(read, overlaid(thin, full)).map(Some),
        (Some(one), None) | (None, Some(one)) if one.get("_id").is_some() => {
            decode_contact(read, one).map(Some)
        }
        _ if data.get("_id").is_some() => decode_contact(read, data).map(Some),
        _ => Ok(None),
    }
}

fn overlaid<'a>(under: Members<'a>, over: Members<'a>) -> Members<'a> {
    let known: HashSet<Cow<'a, str>> = over.0.iter().map(|(name, _)| name.clone()).collect();
    let mut all = over;
    all.0.extend(under.0.into_iter().filter(|(name, _)| !known.contains(name)));
    all
}

fn decode_contact<'a>(read: LenientReader<'a>, members: Members<'a>) -> Result<Contact> {
    let PipelineContactWire {
        id,
        first_name,
        last_name,
        phones,
        more_phones,
        emails,
        last_message_time,
        created_at,
        updated_at,
        rest,
    } = PipelineContactWire::read(members);
    let mut reading = ContactReading { read, contact: Contact::bare(read.id("_id", id)?) };
    if rest.len() > REMOTE_FIELDS_MOST {
        // The CRM's other fields of phones and e-mails are still kept below: a write would lose those that it
        // does not send back.
        reading.contact.leave_remote_fields_unread();
    } else {
        for (name, raw) in &rest {
            read.keep_raw(&mut reading.contact.remote_fields, name, raw);
        }
    }
    reading.contact.first_name = reading.text(Field::FirstName, first_name.as_ref());
    reading.contact.last_name = reading.text(Field::LastName, last_name.as_ref());
    // Without this key the contact had no message yet.
    if last_message_time.is_some() {
        reading.contact.last_activity_at = reading.time(Field::LastActivityAt, last_message_time.as_ref());
    }
    reading.contact.remote_created_at = reading.time(Field::RemoteCreatedAt, created_at.as_ref());
    reading.contact.remote_updated_at = reading.time(Field::RemoteUpdatedAt, updated_at.as_ref());
    match &phones {
        None => reading.contact.unseen.insert(Field::PhoneNumbers),
        // Lists may show only the primary number, as one text.
        Some((_, raw)) if json::kind(raw.get()) == Kind::String => {
            reading.contact.partial.insert(Field::PhoneNumbers);
        }
        Some(_) => {}
    }
    for (named, primary) in [(phones.as_ref(), true), (more_phones.as_ref(), false)] {
        let entries = entries(&mut reading, Field::PhoneNumbers, named);
        // Numbers that cannot be written are also kept unchanged, so that a write can recognise them.
        if let (false, false, Some((name, raw))) = (primary, entries.is_empty(), named)
            && reading.contact.remote_fields.get(name).is_none()
        {
            read.keep_raw(&mut reading.contact.remote_fields, name, raw);
        }
        for (index, DecodedEntry { value, is_primary }) in entries.into_iter().enumerate() {
            let kind = if is_primary.unwrap_or(primary && index == 0) { "primary" } else { "secondary" };
            let kind = Some(Text::from_static(kind));
            reading.contact.phone_numbers.push(PhoneNumber { number: value, kind });
        }
    }
    if emails.is_none() {
        reading.contact.unseen.insert(Field::EmailAddresses);
    }
    for (index, DecodedEntry { value, is_primary }) in
        entries(&mut reading, Field::EmailAddresses, emails.as_ref()).into_iter().enumerate()
    {
        let kind = if is_primary.unwrap_or(index == 0) { "main" } else { "secondary" };
        let kind = Some(Text::from_static(kind));
        reading.contact.email_addresses.push(EmailAddress { address: value, kind });
    }
    // The main address comes first, as for every CRM.
    reading.contact.email_addresses.sort_by_key(|email| email.kind.as_deref() != Some("main"));
    Ok(reading.contact)
}

struct DecodedEntry {
    value: Text,
    is_primary: Option<bool>,
}

/// The entries of a string, a list of strings, or a list of `{value, isPrimary, …}`. A list that is too long is
/// cut.
fn entries<'a>(
    reading: &mut ContactReading<'a>,
    field: Field,
    named: Option<&Named<'a>>,
) -> Vec<DecodedEntry> {
    named.map_or_else(Vec::new, |named| reading.entries(field, named, entry))
}

fn entry<'a>(read: LenientReader<'a>, name: &str, element: Raw<'a>) -> (Result<Option<DecodedEntry>>, bool) {
    let text = |raw, is_primary| Ok(read.text(name, raw)?.map(|value| DecodedEntry { value, is_primary }));
    if json::kind(element.get()) != Kind::Object {
        return (text(element, None), false);
    }
    let members = match read.object(name, element) {
        Ok(members) => members,
        Err(failure) => return (Err(failure), false),
    };
    let more = members.0.iter().any(|(key, _)| !ENTRY.contains(&key.as_ref()));
    let is_primary = members.get("isPrimary").map(|raw| raw.get() == "true");
    let value = members.get("value").ok_or_else(|| unreadable(name, "a list of entries with a value"));
    (value.and_then(|value| text(value, is_primary)), more)
}
