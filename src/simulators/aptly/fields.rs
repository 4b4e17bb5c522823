//! The company's contact types and their custom fields.

use serde_json::{Map, Value, json};

use crate::simulators::disruption::compose;

/// A contact type. Writes use its name, v2 list filters its id.
pub(super) struct ContactType {
    pub id: &'static str,
    pub name: &'static str,
    pub fields: &'static [CustomField],
}

/// The definition of one custom field.
pub(super) struct CustomField {
    pub id: &'static str,
    pub name: &'static str,
    pub data_type: &'static str,
    pub optional: bool,
}

const fn field(id: &'static str, name: &'static str, data_type: &'static str) -> CustomField {
    CustomField { id, name, data_type, optional: true }
}

/// How many of the types the invented people have.
pub(super) const INVENTED: usize = 5;

pub(super) const TYPES: [ContactType; 6] = [
    ContactType {
        id: "tEn4ntTyp3Qw8RbZk",
        name: "Tenant",
        fields: &[
            field("DbJT6rMdnuds7vSbP", "Named On Lease", "boolean-checkbox"),
            field("5D8LYiyMt54aKD7x9", "Occupant Role", "text"),
        ],
    },
    ContactType {
        id: "oWn3rTyp3Xc5LmPqS",
        name: "Owner",
        fields: &[
            field("Hq2nWc7RtYb4ZkLx8", "Units Owned", "number"),
            field("vK9sPd3MxJf6TgQw2", "Preferred Contact Hours", "text"),
            field("Zr5bNm8CyHt2WqXe4", "Owner Since", "date"),
        ],
    },
    ContactType {
        id: "v3nd0rTyp3Jh7GfDs",
        name: "Vendor",
        fields: &[
            field("Lp6kJh9GfDs3QwEr7", "Trade", "select"),
            field("Mn4bVc2XzAs8DfGh6", "Insured Until", "date"),
        ],
    },
    ContactType {
        id: "pR0sp3ctTypYu2iOp",
        name: "Prospect",
        fields: &[field("Ty7uIo3PaSd5FgHj9", "Monthly Budget", "currency")],
    },
    ContactType { id: "gUar4nt0rTypBn6mK", name: "Guarantor", fields: &[] },
    // No invented person has this type.
    ContactType {
        id: "aPpl1cAntTypHg4Ks",
        name: "Applicant",
        fields: &[field("gR7tYu2WqXz5CvBn3", "ApplicationStatus", "text")],
    },
];

pub(super) fn by_name(name: &str) -> Option<&'static ContactType> {
    TYPES.iter().find(|kind| kind.name == name)
}

pub(super) fn by_name_in_any_case(name: &str) -> Option<&'static ContactType> {
    TYPES.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
}

/// Converts values to their stored form: texts in NFC, dates as timestamps.
pub(super) fn resolve(record: &mut Map<String, Value>) {
    compose(record);
    let days =
        of(record).map_or(&[][..], |kind| kind.fields).iter().filter(|field| field.data_type == "date");
    let Some(Value::Object(custom)) = record.get_mut("customFields") else { return };
    for field in days {
        if let Some(Value::String(text)) = custom.get_mut(field.id)
            && text.parse::<jiff::civil::Date>().is_ok()
            && text.len() == 10
        {
            text.push_str("T00:00:00.000Z");
        }
    }
}

pub(super) fn by_id(id: &str) -> Option<&'static ContactType> {
    TYPES.iter().find(|kind| kind.id == id)
}

/// The type of a stored record.
pub(super) fn of(record: &Map<String, Value>) -> Option<&'static ContactType> {
    record.get("contactType").and_then(Value::as_str).and_then(by_name)
}

/// Custom fields in read responses: every field of the type with its definition; unset fields are null.
pub(super) fn enriched(record: &Map<String, Value>) -> Value {
    let stored = record.get("customFields");
    let fields = of(record).map_or(&[][..], |kind| kind.fields);
    let shown = fields.iter().map(|field| {
        let value = stored.and_then(|stored| stored.get(field.id)).unwrap_or(&Value::Null);
        let entry = json!({
            "name": field.name, "dataType": field.data_type, "optional": field.optional, "value": value,
        });
        (field.id.to_owned(), entry)
    });
    Value::Object(shown.collect())
}
