//! Aptly's answers to ours: pages, single contacts, answers of writes, in every documented spelling.

use std::borrow::Cow;

use bytestring::ByteString;

use crate::adapters::adapter::Account;
use crate::adapters::aptly::failure;
use crate::adapters::aptly::wire::ContactWire;
use crate::adapters::lenient::{Lenient, unreadable};
use crate::adapters::remote::normalised;
use crate::domain::{
    Address, Contact, EmailAddress, Field, Page, PhoneNumber, Position, RemoteFields, RemoteId, Result, Text,
};
use crate::json::{self, Kind, Members, Raw};

/// Rows of a page, as documented; what a page echoes counts.
pub(in super::super) const PAGE_SIZE: u64 = 200;

/// Members that speak of a person, in lower case.
const PERSONAL: [&str; 4] = ["firstname", "lastname", "email", "phone"];

/// Where a contact was read: rows of the list show neither company nor title, single reads show no times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Row,
    Single,
}

/// A page of the list.
pub(in super::super) struct Rows {
    pub(in super::super) contacts: Vec<Contact>,
    pub(in super::super) page_size: u64,
    /// The page that the CRM says this is.
    page: Option<u64>,
    count: Option<u64>,
}

impl Rows {
    /// Whether these rows, of the first page, are all that match.
    pub(in super::super) fn is_whole(&self) -> bool {
        let rows = self.contacts.len() as u64;
        self.count.map_or(rows < self.page_size, |count| rows >= count)
    }

    /// The rows from `at` on, as a page of ours; they were asked for as page number `page`.
    /// Fails where the CRM answered another page: its rows would pass for those of this one.
    pub(in super::super) fn from(self, at: Position, page: u64) -> Result<Page> {
        let rows = self.contacts.len() as u64;
        if rows > 0 && self.page.is_some_and(|echoed| echoed != page) {
            return Err(unreadable("page", "the one that was asked for"));
        }
        let first = page.saturating_mul(self.page_size);
        let end = first.saturating_add(rows);
        // Without a count, a full page may have a successor and a short one has none.
        let more = self.count.map_or(rows >= self.page_size, |count| end < count && rows > 0);
        let skip = usize::try_from(at.0.saturating_sub(first)).unwrap_or(usize::MAX);
        Ok(Page {
            contacts: self.contacts.into_iter().skip(skip).collect(),
            next: more.then_some(Position(end)),
            total: self.count,
        })
    }
}

/// `{data, count, page, pageSize}`.
pub(in super::super) fn decode_page(text: &ByteString) -> Result<Rows> {
    let read = Lenient(text);
    let members = read.whole()?;
    let data = members.get("data").ok_or_else(|| unreadable("data", "there"))?;
    let rows = json::elements(data.get()).ok_or_else(|| unreadable("data", "a list"))?;
    let contacts = rows.into_iter().map(|row| decode_contact(read, read.object("data", row)?, Source::Row));
    let count = |name: &str| members.get(name).map_or(Ok(None), |raw| read.count(name, raw));
    Ok(Rows {
        contacts: contacts.collect::<Result<_>>()?,
        page_size: count("pageSize")?.filter(|size| *size > 0).unwrap_or(PAGE_SIZE),
        page: count("page")?,
        count: count("count")?,
    })
}

/// `{type, companyId, companyName}`.
pub(in super::super) fn decode_account(text: &ByteString) -> Result<Account> {
    let read = Lenient(text);
    let members = read.whole()?;
    let text = |name: &str| members.get(name).map_or(Ok(None), |raw| read.text(name, raw));
    Ok(Account { id: text("companyId")?, name: text("companyName")? })
}

/// One contact: flat, in `data` as an object or a list, or in `contact`. Nothing there means that the id is unknown.
pub(in super::super) fn decode_single(text: &ByteString, id: &RemoteId) -> Result<Contact> {
    let read = Lenient(text);
    if json::kind(text) == Kind::Null {
        return Err(failure::not_found());
    }
    for members in unwrapped(read, read.whole()?)? {
        let contact = decode_contact(read, members, Source::Single)?;
        if contact.remote_id == *id {
            return Ok(contact);
        }
    }
    // Something about somebody without an id is an answer that cannot be trusted, and no word about this contact.
    let nameless = read.whole()?.0.iter().any(|(name, _)| PERSONAL.contains(&name.to_lowercase().as_str()));
    if nameless { Err(unreadable("_id", "there")) } else { Err(failure::not_found()) }
}

/// The answer of a write; `{}` and `null` show no contact.
pub(in super::super) fn decode_written(text: &ByteString) -> Result<Option<Contact>> {
    let read = Lenient(text);
    let written = unwrapped(read, read.whole()?)?.into_iter().next();
    written.map(|members| decode_contact(read, members, Source::Single)).transpose()
}

fn unwrapped<'a>(read: Lenient<'a>, members: Members<'a>) -> Result<Vec<Members<'a>>> {
    if members.get("_id").is_some() {
        return Ok(vec![members]);
    }
    match members.get("data").or_else(|| members.get("contact")) {
        None => Ok(Vec::new()),
        Some(raw) => {
            let records = read.list("data", raw)?.into_iter().map(|raw| read.object("data", raw));
            records.filter(|record| record.as_ref().map_or(true, |members| !members.0.is_empty())).collect()
        }
    }
}

fn decode_contact<'a>(read: Lenient<'a>, members: Members<'a>, source: Source) -> Result<Contact> {
    let ContactWire {
        id,
        first_name,
        last_name,
        full_names,
        company,
        is_company,
        emails,
        phones,
        typed_phones,
        address,
        created_at,
        updated_at,
        rest,
    } = ContactWire::read(members);
    let mut contact = Contact::bare(read.id("_id", id)?);
    for (name, raw) in &rest {
        read.pass(&mut contact.remote_fields, name, raw);
    }
    let text = |name: &str, raw: Option<Raw<'a>>| raw.map_or(Ok(None), |raw| read.text(name, raw));
    let time = |name: &str, raw: Option<Raw<'a>>| raw.map_or(Ok(None), |raw| read.time(name, raw));
    (contact.first_name, contact.last_name) = (text("firstname", first_name)?, text("lastname", last_name)?);
    let company_record = is_company.is_some_and(|raw| raw.get() == "true");
    // Where the parts are shown empty beside a full name, it is a company's: the record's own, or, of somebody
    // without a name, that of the company they belong to.
    let parts = first_name.is_some() || last_name.is_some();
    let whole = parts || company_record;
    let employer = if whole && !company_record { text("company", company)? } else { None };
    names(read, &mut contact, &full_names, whole, employer.as_ref())?;
    contact.account = text("company", company)?;
    contact.remote_created_at = time("createdAt", created_at)?;
    contact.remote_updated_at = time("updatedAt", updated_at)?;
    email_addresses(read, &mut contact, emails)?;
    phone_numbers(read, &mut contact, phones, &typed_phones)?;
    if let Some((name, raw)) = address {
        addresses(read, &mut contact, &name, raw);
    }
    if source == Source::Row && company.is_none() {
        contact.incomplete.extend([Field::Account, Field::RemoteFields]);
    }
    Ok(contact)
}

/// Full names alone are split at the first space; a company keeps its name whole. Beside first and last name a full
/// name says nothing new, unless it differs.
fn names<'a>(
    read: Lenient<'a>,
    contact: &mut Contact,
    full: &[(Cow<'a, str>, Raw<'a>)],
    whole: bool,
    employer: Option<&Text>,
) -> Result<()> {
    for (index, (name, raw)) in full.iter().enumerate() {
        let Some(text) = read.text(name, raw)? else { continue };
        let unnamed = contact.first_name.is_none() && contact.last_name.is_none();
        if unnamed && employer.is_some_and(|employer| employer.trim() == text.trim()) {
            continue;
        }
        if unnamed && index == 0 {
            let split = (!whole).then(|| text.trim().split_once(char::is_whitespace)).flatten();
            match split {
                Some((first, rest)) => {
                    (contact.first_name, contact.last_name) = (Some(first.into()), Some(rest.trim().into()));
                }
                None if whole => contact.last_name = Some(text),
                None => contact.first_name = Some(text),
            }
        } else if !says_the_same(contact, &text) {
            read.pass(&mut contact.remote_fields, name, raw);
        }
    }
    Ok(())
}

fn says_the_same(contact: &Contact, full: &str) -> bool {
    let mut joined = [&contact.first_name, &contact.last_name]
        .into_iter()
        .flatten()
        .flat_map(|name| name.split_whitespace());
    let mut words = full.split_whitespace();
    loop {
        match (joined.next(), words.next()) {
            (None, None) => return true,
            (one, other) if one != other => return false,
            _ => {}
        }
    }
}

/// One string stands for the first of possibly several addresses: the list is then incomplete.
fn email_addresses<'a>(read: Lenient<'a>, contact: &mut Contact, raw: Option<Raw<'a>>) -> Result<()> {
    let Some(raw) = raw else { return Ok(()) };
    let mut more = false;
    for element in read.list("email", raw)? {
        more |= says_more(element, &["value", "email", "address"]);
        let text = match json::kind(element.get()) {
            Kind::Object => first_of(read, "email", element, &["value", "email", "address"])?,
            _ => read.text("email", element)?,
        };
        for part in text.iter().flat_map(|text| addresses_in(text)) {
            let kind = if contact.email_addresses.is_empty() { "main" } else { "secondary" };
            contact
                .email_addresses
                .push(EmailAddress { address: part.into(), kind: Some(Text::from_static(kind)) });
        }
    }
    if json::kind(raw.get()) == Kind::String && !contact.email_addresses.is_empty() {
        contact.incomplete.push(Field::EmailAddresses);
    }
    if more {
        read.pass(&mut contact.remote_fields, "email", raw);
    }
    Ok(())
}

/// The addresses of a text that may hold several, with commas between; a comma can also stand inside a quoted address.
fn addresses_in(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if text.contains('"') || !parts.iter().all(|part| part.contains('@')) { vec![text.trim()] } else { parts }
}

fn phone_numbers<'a>(
    read: Lenient<'a>,
    contact: &mut Contact,
    raw: Option<Raw<'a>>,
    typed: &[(&'static str, Raw<'a>)],
) -> Result<()> {
    let mut more = false;
    for element in raw.map_or(Ok(Vec::new()), |raw| read.list("phone", raw))? {
        more |= says_more(element, &["number", "value", "type"]);
        let (number, kind) = match json::kind(element.get()) {
            Kind::Object => {
                let number = first_of(read, "phone", element, &["number", "value"])?;
                (number, first_of(read, "phone", element, &["type"])?)
            }
            _ => (read.text("phone", element)?, None),
        };
        if let Some(number) = number {
            let untyped = if contact.phone_numbers.is_empty() { "primary" } else { "other" };
            let kind = kind.unwrap_or(Text::from_static(untyped));
            contact.phone_numbers.push(PhoneNumber { number, kind: Some(kind) });
        }
    }
    for (kind, raw) in typed {
        if let Some(number) = read.text(kind, raw)? {
            contact.phone_numbers.push(PhoneNumber { number, kind: Some(Text::from_static(kind)) });
        }
    }
    if raw.is_some_and(|raw| json::kind(raw.get()) == Kind::String) && !contact.phone_numbers.is_empty() {
        contact.incomplete.push(Field::PhoneNumbers);
    }
    if let (true, Some(raw)) = (more, raw) {
        read.pass(&mut contact.remote_fields, "phone", raw);
    }
    Ok(())
}

/// The inner shape is undocumented: known keys are taken, and what has others is passed on whole beside them.
fn addresses<'a>(read: Lenient<'a>, contact: &mut Contact, name: &str, raw: Raw<'a>) {
    let members = if json::kind(raw.get()) == Kind::Object { json::members(raw.get()) } else { None };
    let (mut address, mut known, mut unknown) = (Address::default(), false, members.is_none());
    for (key, value) in members.unwrap_or_default().0 {
        let slot = match normalised(&key).as_str() {
            "street" | "street1" | "line1" => &mut address.street1,
            "street2" | "unit" | "line2" => &mut address.street2,
            "city" => &mut address.city,
            "state" => &mut address.state,
            "zip" | "postalcode" => &mut address.postal_code,
            "country" => &mut address.country,
            _ => {
                unknown = true;
                continue;
            }
        };
        // What is no text is not understood and passed on: nothing is known of the inner shape.
        match read.text("address", value) {
            Ok(text) => *slot = text,
            Err(_) => unknown = true,
        }
        known |= slot.is_some();
    }
    if known {
        address.address_type = Some(Text::from_static("main"));
        contact.addresses.push(address);
    }
    if unknown && json::kind(raw.get()) != Kind::Null {
        read.pass(&mut contact.remote_fields, name, raw);
    }
}

/// Entries that say more than we consume are shown whole as well, so that nothing of them is lost.
fn says_more(entry: Raw<'_>, consumed: &[&str]) -> bool {
    let members = if json::kind(entry.get()) == Kind::Object { json::members(entry.get()) } else { None };
    members.is_some_and(|members| members.0.iter().any(|(name, _)| !consumed.contains(&name.as_ref())))
}

fn first_of<'a>(read: Lenient<'a>, name: &str, raw: Raw<'a>, keys: &[&str]) -> Result<Option<Text>> {
    let members = json::members(raw.get()).ok_or_else(|| unreadable(name, "an object"))?;
    keys.iter().find_map(|key| members.get(key)).map_or(Ok(None), |raw| read.text(name, raw))
}

/// What a single read and the list's row of the same contact tell together: lists and times from the row where the
/// single read shows only the first, everything else from the single read where it has it.
pub(in super::super) fn merge(single: Contact, row: Contact) -> Contact {
    let mut whole = single;
    let partly = row.incomplete;
    let shows = |field: Field| !partly.contains(&field);
    if whole.incomplete.contains(&Field::EmailAddresses) && shows(Field::EmailAddresses) {
        whole.email_addresses = row.email_addresses;
        whole.incomplete.retain(|field| *field != Field::EmailAddresses);
    }
    if whole.incomplete.contains(&Field::PhoneNumbers) && shows(Field::PhoneNumbers) {
        whole.phone_numbers = row.phone_numbers;
        whole.incomplete.retain(|field| *field != Field::PhoneNumbers);
    }
    whole.remote_created_at = whole.remote_created_at.or(row.remote_created_at);
    whole.remote_updated_at = whole.remote_updated_at.or(row.remote_updated_at);
    whole.remote_fields = joined(whole.remote_fields, row.remote_fields);
    whole
}

fn joined(single: RemoteFields, row: RemoteFields) -> RemoteFields {
    let mut all = single;
    for (name, value) in row.0 {
        if !all.0.iter().any(|(known, _)| normalised(known) == normalised(&name)) {
            all.0.push((name, value));
        }
    }
    all
}
