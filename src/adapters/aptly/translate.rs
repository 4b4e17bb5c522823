//! Between Aptly's contacts and ours, both ways; nothing here waits or sends.

mod body;
mod custom_fields;
mod decode;
mod encode;
#[cfg(test)]
mod properties;

pub(super) use custom_fields::Definitions;
pub(super) use decode::{PAGE_SIZE, decode_account, decode_page, decode_single, decode_written, merge};
pub(super) use encode::{Change, Format, RULES};

use crate::adapters::adapter::{Identity, Pushed};
use crate::adapters::identity::Wanted;
use crate::adapters::phone::Region;
use crate::adapters::remote;
use crate::domain::{
    Contact, ContactPatch, Failure, FilterName, FilterValue, RawJson, RemoteFields, RemoteId, Result, Text,
};

/// Native parameters of the filters that are declared as pushed down.
pub(super) fn encode_filters(pushed: &Pushed) -> Result<Vec<(&'static str, String)>> {
    let encoded = pushed.filters.iter().map(|filter| match (filter.name, &filter.value) {
        (FilterName::EmailAddress, FilterValue::Text(text)) => Ok(("email", text.as_str().to_owned())),
        (FilterName::RemoteUpdatedAtMin, FilterValue::Time(time)) => Ok(("updated_after", time.to_string())),
        (FilterName::RemoteUpdatedAtMax, FilterValue::Time(time)) => Ok(("updated_before", time.to_string())),
        (name, _) => Err(Failure::internal(format!("{} is not declared for Aptly", name.parameter()))),
    });
    encoded.collect()
}

/// The credential's `createDefaults`, held to the same rules as what a caller sends: a default that could never be
/// written is refused with the credential and not with every create. The names of custom fields are known only once
/// contacts were read, so these are left to the create.
pub(super) fn defaults(setting: Option<&RawJson>, format: Format) -> Result<RemoteFields> {
    let fields = RULES.defaults(setting)?;
    let named = fields.0.iter().filter(|(name, _)| remote::normalised(name) != "customfields");
    let patch =
        ContactPatch { remote_fields: RemoteFields(named.cloned().collect()), ..ContactPatch::default() };
    let nobody = Contact::bare(RemoteId::from(""));
    Change::of_patch(&nobody, &patch, &Definitions::default(), Region::default())
        .and_then(|change| change.encode(format))
        .map_err(remote::of_setting)?;
    Ok(fields)
}

/// One search for each identity.
pub(super) fn searches(by: &Identity, region: Region) -> Vec<(&'static str, String, Wanted)> {
    let emails =
        by.emails.iter().map(|email| ("email", email.trim().to_owned(), Wanted::Email(email.clone())));
    let phones =
        by.phones.iter().map(|phone| ("phone", region.national_digits(phone), Wanted::Phone(phone.clone())));
    let mut searches: Vec<(&'static str, String, Wanted)> = Vec::new();
    for search in emails.chain(phones.filter(|(_, digits, _)| !digits.is_empty())) {
        // One person's numbers in two spellings are one search.
        if !searches.iter().any(|(_, _, known)| known.is_the_same(&search.2, region)) {
            searches.push(search);
        }
    }
    searches
}

/// The search whose rows hold this contact, where a single read did not tell everything.
pub(super) fn search_for(single: &Contact, region: Region) -> Option<(&'static str, String)> {
    let complete = single.incomplete.is_empty() && single.remote_created_at.is_some();
    if complete {
        return None;
    }
    if let Some(email) = single.email_addresses.first() {
        return Some(("email", email.address.as_str().to_owned()));
    }
    if let Some(phone) = single.phone_numbers.first() {
        return Some(("phone", region.national_digits(&phone.number)))
            .filter(|(_, digits)| !digits.is_empty());
    }
    let names: Vec<&str> =
        [&single.first_name, &single.last_name].into_iter().flatten().map(Text::as_str).collect();
    (!names.is_empty()).then(|| ("name", names.join(" ")))
}
