//! The columns of contacts in a CSV file, which `export` writes and `import` reads.
//!
//! A field of a list is named by its own name, such as `emailAddress`; a further entry has a number, such as
//! `emailAddress.2`.

use serde_json::Value;

/// A list of a contact.
pub(super) struct ListColumns {
    pub(super) name: &'static str,
    /// The fields of one entry; their names are unique among all lists.
    pub(super) fields: &'static [&'static str],
    /// The field without which an entry has no value.
    pub(super) value: Option<&'static str>,
}

pub(super) const TEXTS: &[&str] = &["firstName", "lastName", "account"];

pub(super) static LISTS: &[ListColumns] = &[
    ListColumns {
        name: "emailAddresses",
        fields: &["emailAddress", "emailAddressType"],
        value: Some("emailAddress"),
    },
    ListColumns {
        name: "phoneNumbers",
        fields: &["phoneNumber", "phoneNumberType"],
        value: Some("phoneNumber"),
    },
    ListColumns {
        name: "addresses",
        fields: &[
            "street1",
            "street2",
            "city",
            "state",
            "countrySubdivision",
            "country",
            "postalCode",
            "addressType",
        ],
        value: None,
    },
];

/// Columns of an exported file that `import` leaves out: ids and times that only the CRM sets, and the fields of the CRM as JSON.
pub(super) const EXPORTED_ONLY: &[&str] = &[
    "id",
    "remoteId",
    "lastActivityAt",
    "remoteCreatedAt",
    "remoteUpdatedAt",
    "remoteDeleted",
    "createdAt",
    "updatedAt",
    "remoteFields",
];

/// All fields that a column can fill.
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().copied().chain(LISTS.iter().flat_map(|list| list.fields.iter().copied()))
}

/// The name of the column for `field` of the entry `index`, counted from 0.
pub(super) fn numbered(field: &str, index: usize) -> String {
    if index == 0 { field.to_owned() } else { format!("{field}.{}", index + 1) }
}

/// The header of an exported file with columns for `entries` of each list.
pub(super) fn headers(entries: usize) -> Vec<String> {
    let mut headers: Vec<String> = TEXTS.iter().map(|name| (*name).to_owned()).collect();
    for list in LISTS {
        for index in 0..entries {
            headers.extend(list.fields.iter().map(|field| numbered(field, index)));
        }
    }
    headers.extend(EXPORTED_ONLY.iter().map(|name| (*name).to_owned()));
    headers
}

/// The cells of a contact under [`headers`], and whether all entries have columns.
pub(super) fn cells(contact: &Value, entries: usize) -> (Vec<String>, bool) {
    let mut cells: Vec<String> = TEXTS.iter().map(|name| cell(&contact[*name])).collect();
    let mut is_whole = true;
    for list in LISTS {
        let entry = &contact[list.name];
        is_whole &= entry.as_array().is_none_or(|list| list.len() <= entries);
        for index in 0..entries {
            cells.extend(list.fields.iter().map(|field| cell(&entry[index][*field])));
        }
    }
    cells.extend(EXPORTED_ONLY.iter().map(|name| cell(&contact[*name])));
    (cells, is_whole)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn properties<'a>(document: &'a Value, schema: &str) -> BTreeSet<&'a str> {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn every_field_of_a_contact_has_a_column() {
        let document: Value = serde_json::from_str(&crate::api::openapi::document()).unwrap();
        let lists = LISTS.iter().map(|list| list.name);
        let known: BTreeSet<&str> = TEXTS.iter().chain(EXPORTED_ONLY).copied().chain(lists).collect();
        assert_eq!(properties(&document, "Contact"), known);
        for (schema, list) in ["EmailAddress", "PhoneNumber", "Address"].into_iter().zip(LISTS) {
            assert_eq!(properties(&document, schema), list.fields.iter().copied().collect(), "{schema}");
        }
    }
}
