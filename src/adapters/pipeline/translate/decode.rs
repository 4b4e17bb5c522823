//! Converts the pipeline CRM's responses: pages in both envelopes, single contacts and results of writes.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::adapters::adapter::Account;
use crate::adapters::definitions::{FieldChoice, MOST_CHOICES, RemoteFieldDefinition, kept_label, kept_text};
use crate::adapters::lenient_reader::{LenientReader, REMOTE_FIELDS_MOST, unreadable};
use crate::adapters::pipeline::failure;
use crate::adapters::pipeline::wire::PipelineContactWire;
use crate::adapters::reading::{self, ContactReading, Named, Rows};
use crate::domain::{Contact, EmailAddress, Field, PhoneNumber, RemoteId, Result, Text};
use crate::json::{self, CheckedJson, Kind, Members, Raw};
use crate::upstream::{Decoded, Secrets};

/// Fields of an entry that a unified field reads.
const ENTRY: [&str; 2] = ["value", "isPrimary"];

/// A pipeline with its stages.
pub(in super::super) struct PipelineDefinition {
    pub(in super::super) id: Option<Text>,
    pub(in super::super) name: Option<Text>,
    pub(in super::super) stages: Vec<StageDefinition>,
    /// Whether all stages are in `stages`.
    pub(in super::super) is_complete: bool,
}

pub(in super::super) struct StageDefinition {
    pub(in super::super) id: Text,
    pub(in super::super) name: Text,
}

impl Decoded for PipelineDefinition {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { id, name, stages, is_complete } = self;
        *is_complete &= !struck;
        id.remove_secrets(secrets, struck)?;
        name.remove_secrets(secrets, struck)?;
        stages.remove_secrets(secrets, struck)
    }
}

impl Decoded for StageDefinition {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { id, name } = self;
        id.remove_secrets(secrets, struck)?;
        name.remove_secrets(secrets, struck)
    }
}

/// `{data: {contacts, total, page, size}, contacts, total}`, or `{data: […]}`: the rows appear once or twice.
pub(in super::super) fn decode_page(text: &CheckedJson) -> Result<Rows> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let inner = read.inner(&whole, "data")?;
    let rows = whole
        .get("data")
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
pub(in super::super) fn decode_account(text: &CheckedJson) -> Result<Account> {
    let first = decode_page(text)?.checked()?.readable().next();
    let id = first.and_then(|contact| {
        let raw = contact.remote_fields.get("organizationId")?;
        json::string(raw.as_str()).map(|id| Text::from(id.as_ref()))
    });
    Ok(Account { id, name: None })
}

/// A pipeline, bare or inside `data`. Stages without an id or a name are left out.
pub(in super::super) fn decode_pipeline(text: &CheckedJson) -> Result<PipelineDefinition> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let data = read.inner(&whole, "data")?;
    let get = |name: &str| whole.get(name).or_else(|| data.get(name));
    let stages = get("pipelineStages").ok_or_else(|| unreadable("pipelineStages", "a list"))?;
    let rows = read.rows("pipelineStages", stages)?;
    let stage = |stage: &Raw<'_>| {
        let stage = json::members(stage.get())?;
        Some(StageDefinition { id: own_text(stage.get("_id"))?, name: own_text(stage.get("name"))? })
    };
    let stages: Vec<StageDefinition> = rows.iter().filter_map(stage).collect();
    let is_complete = stages.len() == rows.len() && stages.len() <= MOST_CHOICES;
    Ok(PipelineDefinition { id: own_text(get("_id")), name: own_text(get("name")), stages, is_complete })
}

/// The organisation's users, a bare list or inside `data`, as choices by id; and the organisation's id, if a user shows it.
pub(in super::super) fn decode_users(text: &CheckedJson) -> Result<ListedUsers> {
    let (mut users, mut organization) = (Vec::new(), None);
    for user in listed(text, "users")? {
        let Some(user) = json::members(user.get()) else { continue };
        organization = organization.or_else(|| own_text(user.get("organizationId")));
        let label = user.get("fullName").and_then(|raw| json::string(raw.get()));
        let label = label.and_then(|label| kept_label(&label));
        let value = own_text(user.get("_id"));
        users.extend(value.map(|value| FieldChoice { value, label, within: None }));
    }
    users.truncate(MOST_CHOICES);
    Ok(ListedUsers { users, organization })
}

/// The users of an organisation.
pub(in super::super) struct ListedUsers {
    pub(in super::super) users: Vec<FieldChoice>,
    pub(in super::super) organization: Option<Text>,
}

impl Decoded for ListedUsers {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { users, organization: _ } = self;
        users.remove_secrets(secrets, struck)
    }
}

/// The custom fields in `sections`, bare or inside `data`: `sections[].properties{key: {name, dataType, isHidden}}`. Values of
/// these are fields of the contact itself.
pub(in super::super) fn decode_sections(text: &CheckedJson) -> Result<Vec<RemoteFieldDefinition>> {
    let (mut fields, mut known) = (Vec::new(), HashSet::new());
    for section in listed(text, "sections")? {
        let section = json::members(section.get()).unwrap_or_default();
        let properties = section.get("properties").and_then(|raw| json::members(raw.get()));
        for (key, raw) in properties.unwrap_or_default().0 {
            let Some(name) = kept_text(&key).filter(|name| known.insert(name.clone())) else { continue };
            let shown = json::members(raw.get()).unwrap_or_default();
            let text = |name: &str| shown.get(name).and_then(|raw| json::string(raw.get()));
            fields.push(RemoteFieldDefinition {
                name,
                label: text("name").and_then(|label| kept_label(&label)),
                data_type: text("dataType").and_then(|word| kept_text(&word)),
                hidden: shown.get("isHidden").is_some_and(|raw| raw.get() == "true"),
                ..RemoteFieldDefinition::default()
            });
        }
    }
    fields.truncate(MOST_CHOICES);
    Ok(fields)
}

/// The elements of a list: bare, under `name`, or the same inside `data`.
fn listed<'a>(text: &'a CheckedJson, name: &str) -> Result<Vec<Raw<'a>>> {
    if let Some(all) = json::elements(text) {
        return Ok(all);
    }
    let read = LenientReader(text);
    let whole = read.whole()?;
    let data = whole.get("data");
    let inner = data.and_then(|raw| json::members(raw.get())).unwrap_or_default();
    let is_list = |raw: &Raw<'_>| json::kind(raw.get()) == Kind::List;
    let list = whole.get(name).or_else(|| inner.get(name)).or(data.filter(is_list));
    read.rows(name, list.ok_or_else(|| unreadable(name, "a list"))?)
}

/// A text of its own memory: definitions are kept longer than the reply.
fn own_text(raw: Option<Raw<'_>>) -> Option<Text> {
    raw.and_then(|raw| json::string(raw.get())).and_then(|text| kept_text(&text))
}

/// One contact at any place of the undocumented response. Without a record, the path of the setting is wrong.
pub(in super::super) fn decode_single(text: &CheckedJson, id: &RemoteId) -> Result<Contact> {
    match record(LenientReader(text))? {
        Some(contact) if contact.remote_id == *id => Ok(contact),
        Some(_) => Err(failure::not_found()),
        None => Err(failure::unusable("getPath")),
    }
}

/// The response to a write: `data.contact` overlaid by the top-level `contact`, or `data` itself. Its message
/// is not read: after a create it says "updated".
pub(in super::super) fn decode_written(text: &CheckedJson) -> Result<Option<Contact>> {
    record(LenientReader(text))
}

/// Checks that something was deleted. The count in the documented example is wrong, so any number above zero is
/// accepted.
pub(in super::super) fn decode_deleted(text: &CheckedJson) -> Result<()> {
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
    let data = read.inner(&whole, "data")?;
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
            read.keep_raw(&mut reading.contact.remote_fields, name, *raw);
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
            read.keep_raw(&mut reading.contact.remote_fields, name, *raw);
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
