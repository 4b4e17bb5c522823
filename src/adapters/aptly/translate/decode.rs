//! Converts Aptly's responses: pages, single contacts and results of writes, in every documented spelling.

use crate::adapters::adapter::Account;
use crate::adapters::aptly::failure;
use crate::adapters::aptly::wire::AptlyContactWire;
use crate::adapters::lenient_reader::{LenientReader, MOST_ENTRIES, REMOTE_FIELDS_MOST, unreadable};
use crate::adapters::matching::full_name;
use crate::adapters::reading::{self, ContactReading, Named, Rows};
use crate::domain::{
    Address, Contact, EmailAddress, Field, PhoneNumber, RemoteId, Result, Text, short_field_key, words,
};
use crate::json::{self, CheckedJson, Kind, Members, Raw};

/// Documented rows of a page. The size that a page states takes precedence.
pub(in super::super) const PAGE_SIZE: u64 = 200;

/// Keys that describe a person, in lower case.
const PERSONAL: [&str; 4] = ["firstname", "lastname", "email", "phone"];

/// `{data, count, page, pageSize}`.
pub(in super::super) fn decode_page(text: &CheckedJson) -> Result<Rows> {
    let read = LenientReader(text);
    let members = read.whole()?;
    let data = members.get("data").ok_or_else(|| unreadable("data", "present"))?;
    let count = |name: &str| members.get(name).map_or(Ok(None), |raw| read.count(name, raw));
    Ok(Rows {
        contacts: reading::rows(read, "data", data, |members| decode_contact(read, members))?,
        size: count("pageSize")?.filter(|size| *size > 0),
        page: count("page")?,
        total: count("count")?,
    })
}

/// `{type, companyId, companyName}`.
pub(in super::super) fn decode_account(text: &CheckedJson) -> Result<Account> {
    let read = LenientReader(text);
    let members = read.whole()?;
    let text = |name: &str| members.get(name).map_or(Ok(None), |raw| read.text(name, raw));
    Ok(Account { id: text("companyId")?, name: text("companyName")? })
}

/// One contact: flat, in `data` as an object or a list, or in `contact`. If there is none, the id is unknown.
pub(in super::super) fn decode_single(text: &CheckedJson, id: &RemoteId) -> Result<Contact> {
    let read = LenientReader(text);
    if json::kind(text) == Kind::Null {
        return Err(failure::not_found());
    }
    for members in unwrapped(read, read.whole()?)? {
        let contact = decode_contact(read, members)?;
        if contact.remote_id == *id {
            return Ok(contact);
        }
    }
    // A person without an id makes the response unreadable. It does not prove that the contact does not exist.
    let nameless = read.whole()?.0.iter().any(|(name, _)| PERSONAL.contains(&name.to_lowercase().as_str()));
    if nameless { Err(unreadable("_id", "present")) } else { Err(failure::not_found()) }
}

/// The response to a write; `{}` and `null` show no contact.
pub(in super::super) fn decode_written(text: &CheckedJson) -> Result<Option<Contact>> {
    let read = LenientReader(text);
    let written = unwrapped(read, read.whole()?)?.into_iter().next();
    written.map(|members| decode_contact(read, members)).transpose()
}

/// The records of a response about single contacts.
pub(super) fn unwrapped<'a>(read: LenientReader<'a>, members: Members<'a>) -> Result<Vec<Members<'a>>> {
    if members.get("_id").is_some() {
        return Ok(vec![members]);
    }
    match members.get("data").or_else(|| members.get("contact")) {
        None => Ok(Vec::new()),
        Some(raw) => {
            let records =
                if json::kind(raw.get()) == Kind::List { read.rows("data", raw)? } else { vec![raw] };
            let records = records.into_iter().map(|raw| read.object("data", raw));
            records.filter(|record| record.as_ref().map_or(true, |members| !members.0.is_empty())).collect()
        }
    }
}

fn decode_contact<'a>(read: LenientReader<'a>, members: Members<'a>) -> Result<Contact> {
    let AptlyContactWire {
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
    } = AptlyContactWire::read(members);
    let mut reading = ContactReading { read, contact: Contact::bare(read.id("_id", id)?) };
    if rest.len() + full_names.len() > REMOTE_FIELDS_MOST {
        reading.contact.leave_remote_fields_unread();
    } else {
        for (name, raw) in &rest {
            read.keep_raw(&mut reading.contact.remote_fields, name, *raw);
        }
    }
    reading.contact.first_name = reading.text(Field::FirstName, first_name.as_ref());
    reading.contact.last_name = reading.text(Field::LastName, last_name.as_ref());
    reading.contact.account = reading.text(Field::Account, company.as_ref());
    reading.contact.remote_created_at = reading.time(Field::RemoteCreatedAt, created_at.as_ref());
    reading.contact.remote_updated_at = reading.time(Field::RemoteUpdatedAt, updated_at.as_ref());
    let company_record = is_company.is_some_and(|raw| raw.get() == "true");
    // If the parts are present and empty next to a full name, the full name may be a company's: the record's
    // own (unless `isCompany` is false) or, for a person without a name, the employer's.
    let parts = first_name.is_some() || last_name.is_some();
    let person = is_company.is_some_and(|raw| raw.get() == "false");
    let both = first_name.is_some() && last_name.is_some();
    let whole = (parts && !(person && both)) || company_record;
    let employer = reading.contact.account.clone().filter(|_| parts && !company_record);
    names(&mut reading, &full_names, company_record, whole, employer.as_ref());
    email_addresses(&mut reading, emails.as_ref());
    phone_numbers(&mut reading, phones.as_ref(), &typed_phones);
    addresses(&mut reading, address.as_ref());
    Ok(reading.contact)
}

/// A full name alone is split at the first space; a company's name is not split. A full name next to first and
/// last name is only kept if it differs.
fn names<'a>(
    reading: &mut ContactReading<'a>,
    full: &[Named<'a>],
    company: bool,
    whole: bool,
    employer: Option<&Text>,
) {
    let ContactReading { read, contact } = reading;
    let employer = employer.map(|employer| employer.trim());
    // The first and last name, computed once they are final.
    let mut said: Option<String> = None;
    for (index, (name, raw)) in full.iter().enumerate() {
        let text = match read.text(name, *raw) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(_) => {
                read.keep_raw(&mut contact.remote_fields, name, *raw);
                continue;
            }
        };
        let unnamed = contact.first_name.is_none() && contact.last_name.is_none();
        if unnamed && employer.is_some_and(|employer| employer == text.trim()) {
            continue;
        }
        if index == 0 && !company && reading::complete_names(contact, &text) {
            continue;
        }
        if unnamed && index == 0 {
            let split = (!whole).then(|| text.trim().split_once(' ')).flatten();
            match split {
                Some((first, rest)) => {
                    (contact.first_name, contact.last_name) = (Some(first.into()), Some(rest.trim().into()));
                }
                None if whole => contact.last_name = Some(text),
                None => contact.first_name = Some(text),
            }
            contact.names_derived = true;
            contact.unseen.remove(Field::FirstName);
            contact.unseen.remove(Field::LastName);
        } else if *said.get_or_insert_with(|| full_name(contact).unwrap_or_default())
            != words([&text]).collect::<Vec<_>>().join(" ")
        {
            read.keep_raw(&mut contact.remote_fields, name, *raw);
        }
    }
}

/// A single string may be the first of several addresses, so the list counts as partial.
fn email_addresses<'a>(reading: &mut ContactReading<'a>, named: Option<&Named<'a>>) {
    let Some(named) = named else { return reading.contact.unseen.insert(Field::EmailAddresses) };
    let entries = reading.entries(Field::EmailAddresses, named, entry(&["value", "email", "address"]));
    let list = &mut reading.contact.email_addresses;
    for part in entries.iter().flat_map(|entry| addresses_in(&entry.value)) {
        let kind = Text::from_static(if list.is_empty() { "main" } else { "secondary" });
        list.push(EmailAddress { address: part.into(), kind: Some(kind) });
    }
    if json::kind(named.1.get()) == Kind::String && !list.is_empty() {
        reading.contact.partial.insert(Field::EmailAddresses);
    }
}

struct NativeEntry {
    value: Text,
    kind: Option<Text>,
}

/// Reads an entry: a text, or an object with the value under one of `keys`. Also whether it has more than that.
fn entry<'a>(
    keys: &[&str],
) -> impl Fn(LenientReader<'a>, &str, Raw<'a>) -> (Result<Option<NativeEntry>>, bool) {
    move |read, name, element| {
        if json::kind(element.get()) != Kind::Object {
            return (text_entry(read.text(name, element), None), false);
        }
        let members = match read.object(name, element) {
            Ok(members) => members,
            Err(failure) => return (Err(failure), false),
        };
        let more = members.0.iter().any(|(key, _)| key != "type" && !keys.contains(&key.as_ref()));
        (object_entry(read, name, &members, keys), more)
    }
}

fn object_entry<'a>(
    read: LenientReader<'a>,
    name: &str,
    members: &Members<'a>,
    keys: &[&str],
) -> Result<Option<NativeEntry>> {
    if !members.0.iter().any(|(key, _)| keys.contains(&key.as_ref())) {
        return Err(unreadable(name, "a list of entries with a value"));
    }
    let text = |keys: &[&str]| {
        let raw = keys.iter().find_map(|key| members.get(key));
        raw.map_or(Ok(None), |raw| read.text(name, raw))
    };
    let kind = text(&["type"])?;
    text_entry(text(keys), kind)
}

fn text_entry(text: Result<Option<Text>>, kind: Option<Text>) -> Result<Option<NativeEntry>> {
    Ok(text?.map(|value| NativeEntry { value, kind }))
}

/// The addresses of a text, separated by commas. A comma can also be inside a quoted address.
fn addresses_in(text: &str) -> Vec<&str> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let parts: Vec<&str> = parts.take(MOST_ENTRIES + 1).collect();
    if parts.len() > MOST_ENTRIES || text.contains('"') || !parts.iter().all(|part| part.contains('@')) {
        vec![text.trim()]
    } else {
        parts
    }
}

fn phone_numbers<'a>(
    reading: &mut ContactReading<'a>,
    named: Option<&Named<'a>>,
    typed: &[(&'static str, Named<'a>)],
) {
    if let Some(named) = named {
        let entries = reading.entries(Field::PhoneNumbers, named, entry(&["number", "value"]));
        let list = &mut reading.contact.phone_numbers;
        for NativeEntry { value, kind } in entries {
            let untyped = if list.is_empty() { "primary" } else { "other" };
            let kind = kind.unwrap_or(Text::from_static(untyped));
            list.push(PhoneNumber { number: value, kind: Some(kind) });
        }
        if json::kind(named.1.get()) == Kind::String && !list.is_empty() {
            reading.contact.partial.insert(Field::PhoneNumbers);
        }
    } else if typed.is_empty() {
        reading.contact.unseen.insert(Field::PhoneNumbers);
    }
    for (kind, (name, raw)) in typed {
        match reading.read.text(name, *raw) {
            Ok(Some(number)) => {
                let kind = Some(Text::from_static(kind));
                reading.contact.phone_numbers.push(PhoneNumber { number, kind });
            }
            Ok(None) => {}
            Err(_) => reading.unreadable(Field::PhoneNumbers, name, *raw, true),
        }
    }
}

/// The inner shape is undocumented: known keys are read. If there are others, the whole value is kept too.
fn addresses<'a>(reading: &mut ContactReading<'a>, named: Option<&Named<'a>>) {
    let Some((name, raw)) = named else { return reading.contact.unseen.insert(Field::Addresses) };
    let members = if json::kind(raw.get()) == Kind::Object { json::members(raw.get()) } else { None };
    let (mut address, mut known, mut unknown) = (Address::default(), false, members.is_none());
    for (key, value) in members.unwrap_or_default().0 {
        let slot = match short_field_key(&key, &mut [0; "postalcode".len()]) {
            b"street" | b"street1" | b"line1" => &mut address.street1,
            b"street2" | b"unit" | b"line2" => &mut address.street2,
            b"city" => &mut address.city,
            b"state" => &mut address.state,
            b"zip" | b"postalcode" => &mut address.postal_code,
            b"country" => &mut address.country,
            _ => {
                unknown = true;
                continue;
            }
        };
        // The inner shape is undocumented, so a value that is not a text is only kept.
        match reading.read.text("address", value) {
            Ok(text) => *slot = text,
            Err(_) => unknown = true,
        }
        known |= slot.is_some();
    }
    if known {
        address.address_type = Some(Text::from_static("main"));
        reading.contact.addresses.push(address);
    }
    if unknown && !matches!(raw.get(), "null" | "\"\"" | "[]") {
        if known {
            reading.read.keep_raw(&mut reading.contact.remote_fields, name, *raw);
        } else {
            reading.unreadable(Field::Addresses, name, *raw, false);
        }
    }
}
