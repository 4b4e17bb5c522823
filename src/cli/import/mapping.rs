//! Which field of a contact each column of a CSV file fills.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cli::contact_columns::{EXPORTED_ONLY, LISTS, ListColumns, TEXTS, fields, numbered};
use crate::domain::suggestion;

/// The last column of the file with rejected rows.
pub(super) const REASON: &str = "reason";
/// Leaves a column out, as in `--map Fax=-`.
const LEFT_OUT: &str = "-";
/// The prefix of a field of the CRM.
const REMOTE: &str = "remoteFields.";

/// Other spellings of a header, in lower case without anything but letters and digits; the field; the type of the entry.
#[rustfmt::skip]
const ALIASES: &[(&str, &str, Option<&str>)] = &[
    ("givenname", "firstName", None), ("forename", "firstName", None), ("first", "firstName", None),
    ("surname", "lastName", None), ("familyname", "lastName", None), ("last", "lastName", None),
    ("company", "account", None), ("companyname", "account", None), ("organization", "account", None),
    ("organisation", "account", None),
    ("email", "emailAddress", None), ("mail", "emailAddress", None), ("emails", "emailAddress", None),
    ("workemail", "emailAddress", Some("work")), ("homeemail", "emailAddress", Some("home")),
    ("emailtype", "emailAddressType", None),
    ("phone", "phoneNumber", None), ("telephone", "phoneNumber", None), ("tel", "phoneNumber", None),
    ("phones", "phoneNumber", None), ("mobile", "phoneNumber", Some("mobile")),
    ("mobilephone", "phoneNumber", Some("mobile")), ("cell", "phoneNumber", Some("mobile")),
    ("cellphone", "phoneNumber", Some("mobile")), ("workphone", "phoneNumber", Some("work")),
    ("businessphone", "phoneNumber", Some("work")), ("homephone", "phoneNumber", Some("home")),
    ("phonetype", "phoneNumberType", None),
    ("street", "street1", None), ("address", "street1", None), ("address1", "street1", None),
    ("addressline1", "street1", None), ("streetaddress", "street1", None), ("address2", "street2", None),
    ("addressline2", "street2", None), ("town", "city", None), ("province", "state", None),
    ("zip", "postalCode", None), ("zipcode", "postalCode", None), ("postcode", "postalCode", None),
];

/// Where the value of a column goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CellTarget {
    Text(&'static str),
    /// A field of the entry `index`, counted from 0.
    Entry {
        list: usize,
        index: usize,
        field: &'static str,
    },
    Remote(String),
    LeftOut,
    ExportedOnly,
}

/// One column.
#[derive(Clone, Debug)]
struct MappedColumn {
    header: String,
    target: CellTarget,
    /// The type of the entry that the header tells, such as that of `Mobile phone`.
    entry_type: Option<&'static str>,
}

/// All columns of a file, in their order.
pub(super) struct Mapping(Vec<MappedColumn>);

impl Mapping {
    /// Finds the field of each header: that of `--map` (`Header=field`), else that of the same or a known name.
    /// Fails with a sentence for each column without a field, and for each field with two columns.
    pub(super) fn new(headers: &[&str], given: &[String], has_reasons: bool) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let given = given_fields(headers, given, &mut faults);
        let mut columns: Vec<MappedColumn> = Vec::new();
        // Whether a fault lists the fields, and whether one is of a column without any.
        let (mut is_listed, mut is_unmatched) = (false, false);
        for (number, header) in headers.iter().enumerate() {
            let is_reason = has_reasons && number + 1 == headers.len() && *header == REASON;
            let found = match given.get(header) {
                Some(field) => parse(field).map(|target| (target, None)),
                None if is_reason => Some((CellTarget::LeftOut, None)),
                None => matching(header, &columns),
            };
            match found {
                Some((target, entry_type)) => {
                    let header = (*header).to_owned();
                    columns.push(MappedColumn { header, target, entry_type });
                }
                None if given.contains_key(header) => {
                    is_listed = true;
                    faults.push(format!(
                        "--map {header}={}: there is no such field; the fields are: {}",
                        given[header],
                        names()
                    ));
                }
                None => {
                    is_unmatched = true;
                    let meant = meant(header).map(|field| format!("; did you mean `{field}`?"));
                    faults.push(format!(
                        "the column `{header}` matches no field{}: name one with --map '{header}=FIELD', or leave the column out with --map '{header}=-'",
                        meant.unwrap_or_default()
                    ));
                }
            }
        }
        for (number, column) in columns.iter().enumerate() {
            let is_value = !matches!(column.target, CellTarget::LeftOut | CellTarget::ExportedOnly);
            let other = columns[..number].iter().find(|other| is_value && other.target == column.target);
            if let Some(other) = other {
                faults.push(format!(
                    "the columns `{}` and `{}` both fill `{}`: map one of them to another field, or leave it out with -",
                    other.header, column.header, column.field()
                ));
            }
        }
        if is_unmatched && !is_listed {
            faults.push(format!("the fields are: {}", names()));
        }
        if faults.is_empty() { Ok(Self(columns)) } else { Err(faults) }
    }

    /// Each header and its field, for people.
    pub(super) fn shown(&self) -> impl Iterator<Item = [String; 2]> {
        self.0.iter().map(|column| [column.header.clone(), column.field()])
    }

    /// Whether a column fills `field`.
    pub(super) fn fills(&self, field: &str) -> bool {
        self.0.iter().any(|column| column.field() == field)
    }

    /// The body of the contact in one row. Blank cells are absent.
    pub(super) fn body<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Value {
        let (mut contact, mut remote) = (Map::new(), Map::new());
        let mut entries: BTreeMap<(usize, usize), Map<String, Value>> = BTreeMap::new();
        for (column, cell) in self.0.iter().zip(cells) {
            if cell.trim().is_empty() {
                continue;
            }
            match &column.target {
                CellTarget::Text(name) => drop(contact.insert((*name).to_owned(), cell.into())),
                CellTarget::Remote(name) => drop(remote.insert(name.clone(), cell.into())),
                CellTarget::Entry { list, index, field } => {
                    let entry = entries.entry((*list, *index)).or_default();
                    entry.insert((*field).to_owned(), cell.into());
                    if let Some(entry_type) = column.entry_type {
                        entry.entry(format!("{field}Type")).or_insert(entry_type.into());
                    }
                }
                CellTarget::LeftOut | CellTarget::ExportedOnly => {}
            }
        }
        for ((list, _), entry) in entries {
            let ListColumns { name, value, .. } = &LISTS[list];
            if value.is_none_or(|value| entry.contains_key(value)) {
                let list = contact.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|list| list.push(Value::Object(entry.clone())));
            }
        }
        if !remote.is_empty() {
            contact.insert("remoteFields".to_owned(), Value::Object(remote));
        }
        Value::Object(contact)
    }
}

impl MappedColumn {
    fn field(&self) -> String {
        match &self.target {
            CellTarget::Text(name) => (*name).to_owned(),
            CellTarget::Entry { index, field, .. } => numbered(field, *index),
            CellTarget::Remote(name) => format!("{REMOTE}{name}"),
            CellTarget::LeftOut => "(left out)".to_owned(),
            CellTarget::ExportedOnly => "(left out: of the CRM it was exported from)".to_owned(),
        }
    }
}

/// The fields of `--map` by header.
fn given_fields<'a>(
    headers: &[&str],
    given: &'a [String],
    faults: &mut Vec<String>,
) -> BTreeMap<&'a str, &'a str> {
    let mut fields = BTreeMap::new();
    for text in given {
        // A header may have an equals sign, a field has none.
        match text.rsplit_once('=') {
            Some((header, field)) if headers.contains(&header) => drop(fields.insert(header, field)),
            Some((header, _)) => faults.push(format!("--map {text}: the file has no column `{header}`")),
            None => faults.push(format!("--map {text}: must be HEADER=FIELD")),
        }
    }
    fields
}

/// The target of a field's name, such as `lastName`, `emailAddress.2`, `remoteFields.title` or `-`.
fn parse(field: &str) -> Option<CellTarget> {
    if field == LEFT_OUT {
        return Some(CellTarget::LeftOut);
    }
    if let Some(name) = field.strip_prefix(REMOTE) {
        return Some(CellTarget::Remote(name.to_owned())).filter(|_| !name.is_empty());
    }
    let (name, number) = match field.rsplit_once('.') {
        Some((name, number)) => (name, number.parse::<usize>().ok().filter(|number| *number > 0)?),
        None => (field, 1),
    };
    let text = TEXTS.iter().find(|text| **text == name && number == 1).map(|text| CellTarget::Text(text));
    text.or_else(|| entry(name, number - 1))
}

fn entry(name: &str, index: usize) -> Option<CellTarget> {
    LISTS.iter().enumerate().find_map(|(list, known)| {
        let field = known.fields.iter().find(|field| **field == name)?;
        Some(CellTarget::Entry { list, index, field })
    })
}

/// The target of a header by its own name or a known other one. A header without a number takes the first entry that no
/// column before it fills.
fn matching(header: &str, before: &[MappedColumn]) -> Option<(CellTarget, Option<&'static str>)> {
    if EXPORTED_ONLY.contains(&header) {
        return Some((CellTarget::ExportedOnly, None));
    }
    if header != LEFT_OUT
        && let Some(target) = parse(header)
    {
        return Some((target, None));
    }
    let plain = plain(header);
    let without_number = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = plain[without_number.len()..].parse::<usize>().ok().filter(|number| *number > 0);
    let (field, entry_type, number) = match (known(&plain), known(without_number)) {
        (Some((field, entry_type)), _) => (field, entry_type, None),
        (None, Some((field, entry_type))) => (field, entry_type, number),
        (None, None) => return None,
    };
    if TEXTS.contains(&field) {
        return parse(field).filter(|_| plain == without_number).map(|target| (target, entry_type));
    }
    let is_free = |index: &usize| {
        let target = entry(field, *index);
        before.iter().all(|column| Some(&column.target) != target.as_ref())
    };
    let index = number.map(|number| number - 1).or_else(|| (0..=before.len()).find(is_free))?;
    Some((entry(field, index)?, entry_type))
}

/// The field of a header in lower case without anything but letters and digits.
fn known(plain: &str) -> Option<(&'static str, Option<&'static str>)> {
    let alias = ALIASES.iter().find(|(alias, ..)| *alias == plain);
    let named = || fields().find(|field| field.to_lowercase() == plain).map(|field| (field, None));
    alias.map(|(_, field, entry_type)| (*field, *entry_type)).or_else(named)
}

/// The field of the known spelling that is most similar to `header`.
fn meant(header: &str) -> Option<&'static str> {
    let headers: Vec<_> = ALIASES.iter().map(|(alias, ..)| *alias).chain(fields()).collect();
    let spelling = suggestion(&plain(header), headers.into_iter())?;
    known(&plain(spelling)).map(|(field, _)| field)
}

/// A header in lower case without anything but letters and digits.
fn plain(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn names() -> String {
    let fields: Vec<&str> = fields().collect();
    format!(
        "{}, remoteFields.NAME; a further entry of a list has a number, such as emailAddress.2",
        fields.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(headers: &[&str], given: &[&str]) -> Result<Mapping, Vec<String>> {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        Mapping::new(headers, &given, false)
    }

    fn fields_of(headers: &[&str]) -> Vec<String> {
        mapping(headers, &[]).unwrap().shown().map(|[_, field]| field).collect()
    }

    #[test]
    fn headers_are_matched_as_people_write_them() {
        assert_eq!(
            fields_of(&[
                "First Name",
                "SURNAME",
                "E-mail",
                "Email 2",
                "Company",
                "Zip code",
                "Street 2",
                "town"
            ]),
            [
                "firstName",
                "lastName",
                "emailAddress",
                "emailAddress.2",
                "account",
                "postalCode",
                "street2",
                "city"
            ]
        );
        assert_eq!(
            fields_of(&["phone", "Mobile Phone", "phone_3"]),
            ["phoneNumber", "phoneNumber.2", "phoneNumber.3"]
        );
        assert_eq!(
            fields_of(&["street1.2", "remoteFields.title", "id"]),
            ["street1.2", "remoteFields.title", "(left out: of the CRM it was exported from)"]
        );
    }

    #[test]
    fn each_column_without_a_field_and_each_field_with_two_columns_is_named() {
        let faults =
            mapping(&["Fax", "lastName", "Surname", "First Name 2"], &["Pager=-", "lastName=nobody"])
                .err()
                .unwrap();
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].contains("no column `Pager`"));
        assert!(faults[1].contains("`Fax`"));
        assert!(faults[2].contains("nobody") && faults[2].contains("postalCode"));
        assert!(faults[3].contains("First Name 2"));
        let faults = mapping(&["Comapny", "Last Nmae", "Pets"], &[]).err().unwrap();
        assert!(faults[0].contains("`Comapny` matches no field; did you mean `account`?"), "{faults:?}");
        assert!(faults[1].contains("did you mean `lastName`?") && !faults[2].contains("did you mean"));
        let faults = mapping(&["last", "Surname"], &[]).err().unwrap();
        assert!(faults[0].contains("`last` and `Surname` both fill `lastName`"), "{faults:?}");
    }

    #[test]
    fn a_row_becomes_the_body_of_a_contact() {
        let mapping = mapping(
            &["Last", "E-mail", "Work phone", "Fax", "city", "Email type", "T=x", "email 3"],
            &["Fax=-", "T=x=remoteFields.title"],
        );
        let mapping = mapping.unwrap();
        let body = |cells: &[&str]| mapping.body(cells.iter().copied());
        assert_eq!(
            body(&[
                "Okafor",
                "ada@example.com",
                "+1 416 555 0123",
                "1",
                "Toronto",
                "main",
                "Dr",
                "a@b.example"
            ]),
            json!({
                "lastName": "Okafor",
                "emailAddresses": [
                    { "emailAddress": "ada@example.com", "emailAddressType": "main" },
                    { "emailAddress": "a@b.example" },
                ],
                "phoneNumbers": [{ "phoneNumber": "+1 416 555 0123", "phoneNumberType": "work" }],
                "addresses": [{ "city": "Toronto" }],
                "remoteFields": { "title": "Dr" },
            })
        );
        assert_eq!(body(&["Okafor", " ", "", "", "", "main", "", ""]), json!({ "lastName": "Okafor" }));
    }
}
