//! The pipeline CRM's answers to ours: pages in both envelopes, single contacts, answers of writes.

use bytestring::ByteString;

use crate::adapters::adapter::Account;
use crate::adapters::lenient::{Lenient, unreadable};
use crate::adapters::pipeline::failure;
use crate::adapters::pipeline::wire::ContactWire;
use crate::domain::{Contact, EmailAddress, Field, Page, PhoneNumber, Position, RemoteId, Result, Text};
use crate::json::{self, Kind, Members, Raw};

/// Members of an entry that a unified field consumes.
const ENTRY: [&str; 2] = ["value", "isPrimary"];

/// A page of the list.
pub(in super::super) struct Rows {
    pub(in super::super) contacts: Vec<Contact>,
    /// The size that the CRM says it used.
    pub(in super::super) size: Option<u64>,
    /// The page that the CRM says this is.
    page: Option<u64>,
    total: Option<u64>,
}

impl Rows {
    /// Whether these rows, from the first page, are all that match.
    pub(in super::super) fn is_whole(&self) -> bool {
        let rows = self.contacts.len() as u64;
        self.total.map_or(rows < self.size.unwrap_or(super::PAGE_SIZE), |total| rows >= total)
    }

    /// The rows from `at` on; they were asked for as page number `page` of `size` rows.
    /// Fails where the CRM answered another page: its rows would pass for those of this one.
    pub(in super::super) fn from(self, at: Position, page: u64, size: u64) -> Result<Page> {
        let rows = self.contacts.len() as u64;
        if rows > 0 && self.page.is_some_and(|echoed| echoed != page) {
            return Err(unreadable("page", "the one that was asked for"));
        }
        let first = page.saturating_sub(1).saturating_mul(size);
        let end = first.saturating_add(rows);
        // Without a total, a full page may have a successor and a short one has none.
        let more = self.total.map_or(rows >= size, |total| end < total && rows > 0);
        let skip = usize::try_from(at.0.saturating_sub(first)).unwrap_or(usize::MAX);
        Ok(Page {
            contacts: self.contacts.into_iter().skip(skip).collect(),
            next: more.then_some(Position(end)),
            total: self.total,
        })
    }
}

/// `{data: {contacts, total, page, size}, contacts, total}`, or `{data: […]}`: the rows stand there twice or once.
pub(in super::super) fn decode_page(text: &ByteString) -> Result<Rows> {
    let read = Lenient(text);
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
    let rows = rows
        .and_then(|raw| json::elements(raw.get()))
        .ok_or_else(|| unreadable("data.contacts", "a list"))?;
    let contacts = rows.into_iter().map(|row| decode_contact(read, read.object("data.contacts", row)?));
    let count = |name: &str| {
        let raw = inner.get(name).or_else(|| whole.get(name));
        raw.map_or(Ok(None), |raw| read.count(name, raw))
    };
    Ok(Rows {
        contacts: contacts.collect::<Result<_>>()?,
        size: count("size")?.filter(|size| *size > 0),
        page: count("page")?,
        total: count("total")?,
    })
}

/// The organisation that the first row of a list belongs to; an empty list names none.
pub(in super::super) fn decode_account(text: &ByteString) -> Result<Account> {
    let first = decode_page(text)?.contacts.into_iter().next();
    let id = first.and_then(|contact| {
        let raw = contact.remote_fields.get("organizationId")?;
        json::string(raw.as_str()).map(|id| Text::from(id.as_ref()))
    });
    Ok(Account { id, name: None })
}

/// One contact, wherever the undocumented answer has it. An answer without a record is no answer of this path.
pub(in super::super) fn decode_single(text: &ByteString, id: &RemoteId) -> Result<Contact> {
    match record(Lenient(text))? {
        Some(contact) if contact.remote_id == *id => Ok(contact),
        Some(_) => Err(failure::not_found()),
        None => Err(failure::unusable("getPath")),
    }
}

/// The answer of a write: `data.contact` overlaid by the top-level `contact`, or `data` itself. Its message text is
/// never looked at: that of a create says "updated".
pub(in super::super) fn decode_written(text: &ByteString) -> Result<Option<Contact>> {
    record(Lenient(text))
}

/// Something was removed. The documented example counts wrongly, so any number above none is right.
pub(in super::super) fn decode_deleted(text: &ByteString) -> Result<()> {
    let read = Lenient(text);
    let count =
        read.whole()?.get("deletedCount").map(|raw| read.count("deletedCount", raw)).transpose()?.flatten();
    if count == Some(0) { Err(failure::not_found()) } else { Ok(()) }
}

fn record(read: Lenient<'_>) -> Result<Option<Contact>> {
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
    let mut all = over;
    for (name, raw) in under.0 {
        if !all.0.iter().any(|(known, _)| *known == name) {
            all.0.push((name, raw));
        }
    }
    all
}

fn decode_contact<'a>(read: Lenient<'a>, members: Members<'a>) -> Result<Contact> {
    let ContactWire {
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
    } = ContactWire::read(members);
    let text = |name: &str, raw: Option<Raw<'a>>| raw.map_or(Ok(None), |raw| read.text(name, raw));
    let time = |name: &str, raw: Option<Raw<'a>>| raw.map_or(Ok(None), |raw| read.time(name, raw));
    let mut contact = Contact::bare(read.id("_id", id)?);
    contact.first_name = text("firstName", first_name)?;
    contact.last_name = text("lastName", last_name)?;
    contact.last_activity_at = time("lastMessageTime", last_message_time)?;
    contact.remote_created_at = time("createdAt", created_at)?;
    contact.remote_updated_at = time("updatedAt", updated_at)?;
    for (name, raw) in &rest {
        read.pass(&mut contact.remote_fields, name, raw);
    }
    for (name, raw, primary) in [("phoneNumber", phones, true), ("secondaryPhoneNumber", more_phones, false)]
    {
        let Some(raw) = raw else {
            // Every contact has a phone: where the key is missing, the record is a thin one.
            if primary {
                contact.incomplete.push(Field::PhoneNumbers);
            }
            continue;
        };
        let entries = entries(read, name, raw)?;
        for Entry { value, is_primary, .. } in &entries {
            let Some(value) = value else { continue };
            let first = primary && contact.phone_numbers.is_empty() && is_primary.is_none();
            let kind = if is_primary.unwrap_or(first) { "primary" } else { "secondary" };
            contact
                .phone_numbers
                .push(PhoneNumber { number: value.clone(), kind: Some(Text::from_static(kind)) });
        }
        pass_if_more(read, &mut contact, name, raw, &entries);
    }
    if let Some(raw) = emails {
        let entries = entries(read, "email", raw)?;
        for (index, Entry { value, is_primary, .. }) in entries.iter().enumerate() {
            let Some(value) = value else { continue };
            let kind = if is_primary.unwrap_or(index == 0) { "main" } else { "secondary" };
            contact
                .email_addresses
                .push(EmailAddress { address: value.clone(), kind: Some(Text::from_static(kind)) });
        }
        // The main one first, as everywhere.
        contact.email_addresses.sort_by_key(|email| email.kind.as_deref() != Some("main"));
        pass_if_more(read, &mut contact, "email", raw, &entries);
    }
    Ok(contact)
}

struct Entry {
    value: Option<Text>,
    is_primary: Option<bool>,
    /// The entry says more than we consume, such as when it was verified.
    more: bool,
}

/// A string, a list of strings, or a list of `{value, isPrimary, …}`.
fn entries<'a>(read: Lenient<'a>, name: &'static str, raw: Raw<'a>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for element in read.list(name, raw)? {
        let (value, is_primary, more) = if json::kind(element.get()) == Kind::Object {
            let members = read.object(name, element)?;
            let value = members.get("value").map_or(Ok(None), |raw| read.text(name, raw))?;
            let primary = members.get("isPrimary").map(|raw| raw.get() == "true");
            (value, primary, members.0.iter().any(|(key, _)| !ENTRY.contains(&key.as_ref())))
        } else {
            (read.text(name, element)?, None, false)
        };
        entries.push(Entry { value, is_primary, more });
    }
    Ok(entries)
}

/// Entries that say more than we consume are shown whole as well, so that nothing of them is lost.
fn pass_if_more<'a>(
    read: Lenient<'a>,
    contact: &mut Contact,
    name: &'static str,
    raw: Raw<'a>,
    entries: &[Entry],
) {
    if entries.iter().any(|entry| entry.more) {
        read.pass(&mut contact.remote_fields, name, raw);
    }
}
