//! The cases: every backend × field × value × write, generated from tables.

use serde_json::{Value, json};

use crate::backends::{BACKENDS, Backend};
use crate::held::{address, number};

/// A field of the unified contact, or one of the CRM's own that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    FirstName,
    LastName,
    Account,
    EmailAddresses,
    PhoneNumbers,
    Addresses,
    Title,
    ContactType,
    CustomFields,
    Status,
    PipelineStage,
}

/// What is sent for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Absent,
    Null,
    Empty,
    Blank,
    One,
    Several,
    /// What is held, the other way round.
    Swapped,
    /// What is held and one more, without types; of a text a value of another JSON type.
    Untyped,
    Same,
    Unicode,
    Longest,
    OneTooMany,
    Duplicates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Patch,
    Put,
    UpsertNew,
    UpsertHeld,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) backend: &'static Backend,
    pub(crate) field: Field,
    pub(crate) kind: Kind,
    pub(crate) write: Write,
}

const WRITES: [(Write, &str); 5] = [
    (Write::Create, "create"),
    (Write::Patch, "patch"),
    (Write::Put, "put"),
    (Write::UpsertNew, "upsert-new"),
    (Write::UpsertHeld, "upsert-held"),
];

const KINDS: [(Kind, &str); 13] = [
    (Kind::Absent, "absent"),
    (Kind::Null, "null"),
    (Kind::Empty, "empty"),
    (Kind::Blank, "blank"),
    (Kind::One, "one"),
    (Kind::Several, "several"),
    (Kind::Swapped, "swapped"),
    (Kind::Untyped, "untyped"),
    (Kind::Same, "same"),
    (Kind::Unicode, "unicode"),
    (Kind::Longest, "longest"),
    (Kind::OneTooMany, "one-too-many"),
    (Kind::Duplicates, "duplicates"),
];

const FIELDS: [(Field, &str); 11] = [
    (Field::FirstName, "firstName"),
    (Field::LastName, "lastName"),
    (Field::Account, "account"),
    (Field::EmailAddresses, "emailAddresses"),
    (Field::PhoneNumbers, "phoneNumbers"),
    (Field::Addresses, "addresses"),
    (Field::Title, "remoteFields/title"),
    (Field::ContactType, "remoteFields/contactType"),
    (Field::CustomFields, "remoteFields/customFields"),
    (Field::Status, "remoteFields/status"),
    (Field::PipelineStage, "remoteFields/pipelineStage"),
];

/// Every case, in an order that never changes.
pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for backend in BACKENDS {
        for (field, _) in FIELDS.iter().filter(|(field, _)| field.exists_at(backend)) {
            for (kind, _) in KINDS {
                for (write, _) in WRITES {
                    let case = Case { backend, field: *field, kind, write };
                    all.extend(case.value().is_some().then_some(case));
                }
            }
        }
    }
    all
}

fn named<T: PartialEq>(table: &[(T, &'static str)], wanted: &T) -> &'static str {
    table.iter().find(|(known, _)| known == wanted).map_or("", |(_, name)| name)
}

impl Field {
    fn exists_at(self, backend: &Backend) -> bool {
        match self {
            Self::Title | Self::ContactType | Self::CustomFields => backend.is_aptly(),
            Self::Status | Self::PipelineStage => !backend.is_aptly(),
            _ => true,
        }
    }

    /// The unified name, or the path in `remoteFields`.
    pub(crate) fn name(self) -> &'static str {
        named(&FIELDS, &self)
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::FirstName | Self::LastName | Self::Account | Self::Title)
    }

    /// Puts a value for this field into a request body, or takes the field out.
    pub(crate) fn put(self, body: &mut Value, value: Option<Value>) {
        let (into, key) = match self.name().split_once('/') {
            Some((outer, inner)) => {
                if body.get(outer).is_none_or(Value::is_null) {
                    body[outer] = json!({});
                }
                (&mut body[outer], inner)
            }
            None => (&mut *body, self.name()),
        };
        let into = into.as_object_mut().unwrap();
        match value {
            Some(value) => drop(into.insert(key.to_owned(), value)),
            None => drop(into.shift_remove(key)),
        }
        if self.name().contains('/') && into.is_empty() {
            body.as_object_mut().unwrap().shift_remove("remoteFields");
        }
    }
}

impl Write {
    pub(crate) const fn is_new(self) -> bool {
        matches!(self, Self::Create | Self::UpsertNew)
    }
}

impl Case {
    pub(crate) fn name(&self) -> String {
        let (kind, write) = (named(&KINDS, &self.kind), named(&WRITES, &self.write));
        format!("{}/{}/{kind}/{write}", self.backend.name, self.field.name())
    }

    /// The backend; the field and the kind of its value; the write.
    pub(crate) fn parts(&self) -> (&'static str, String, &'static str) {
        let (kind, write) = (named(&KINDS, &self.kind), named(&WRITES, &self.write));
        (self.backend.name, format!("{}/{kind}", self.field.name()), write)
    }

    /// What is sent for the field: nothing where this field has no such value, `Some(None)` where it is absent.
    pub(crate) fn value(&self) -> Option<Option<Value>> {
        if self.kind == Kind::Absent {
            return Some(None);
        }
        let value = match self.field {
            field if field.is_text() => text(field, self.kind)?,
            Field::EmailAddresses => emails(self.kind),
            Field::PhoneNumbers => phones(self.kind, self.backend.is_aptly()),
            Field::Addresses => addresses(self.kind)?,
            Field::ContactType => chosen(self.kind, "Tenant", "Owner", "tenant")?,
            Field::Status => chosen(self.kind, "New Lead", "Qualified", "qualified")?,
            Field::PipelineStage => {
                chosen(self.kind, "64f0a1b2c3d4e5f6a7b8c9d2", "64f0a1b2c3d4e5f6a7b8ca03", "")?
            }
            Field::CustomFields => custom_fields(self.kind)?,
            _ => return None,
        };
        Some(Some(value))
    }
}

fn text(field: Field, kind: Kind) -> Option<Value> {
    let same = match field {
        Field::FirstName => "Ada",
        Field::LastName => "Byron",
        Field::Account => "Engines",
        _ => "Countess",
    };
    Some(match kind {
        Kind::Absent | Kind::Swapped => return None,
        Kind::Null => Value::Null,
        Kind::Empty => json!(""),
        Kind::Blank => json!(" \u{a0} "),
        Kind::One => json!("Grace"),
        Kind::Several => json!("Anna Maria van der Berg, PhD (née Müller)"),
        Kind::Untyped => json!(5),
        Kind::Same => json!(same),
        // Composed, decomposed, right to left, beyond the first plane.
        Kind::Unicode => json!("Zo\u{eb} Zoe\u{308} \u{674e}\u{6167} \u{639}\u{631}\u{628}\u{64a} \u{1f600}"),
        Kind::Longest => json!("x".repeat(1000)),
        Kind::OneTooMany => json!("x".repeat(1001)),
        Kind::Duplicates => json!(format!("{same} {same}")),
    })
}

fn email(place: usize, kind: Option<&str>) -> Value {
    let mut entry = json!({ "emailAddress": address(place) });
    if let Some(kind) = kind {
        entry["emailAddressType"] = json!(kind);
    }
    entry
}

fn emails(kind: Kind) -> Value {
    let (main, second) = (Some("main"), Some("secondary"));
    match kind {
        Kind::Absent | Kind::Null => Value::Null,
        Kind::Empty => json!([]),
        Kind::Blank => json!([{ "emailAddress": "  " }]),
        Kind::One => json!([email(5, main)]),
        Kind::Several => json!([email(5, main), email(6, second), email(7, second)]),
        Kind::Swapped => json!([email(1, None), email(0, None)]),
        Kind::Untyped => json!([email(0, None), email(1, None), email(5, None)]),
        Kind::Same => json!([email(0, main), email(1, second)]),
        Kind::Unicode => json!([{ "emailAddress": "zo\u{eb}@ex\u{e4}mple.com" }]),
        Kind::Longest => (10..60).map(|place| email(place, None)).collect(),
        Kind::OneTooMany => (10..61).map(|place| email(place, None)).collect(),
        Kind::Duplicates => {
            json!([email(5, None), { "emailAddress": address(5).to_uppercase() }, email(6, None), email(5, None)])
        }
    }
}

fn phone(place: usize, kind: Option<&str>) -> Value {
    let mut entry = json!({ "phoneNumber": number(place) });
    if let Some(kind) = kind {
        entry["phoneNumberType"] = json!(kind);
    }
    entry
}

fn phones(kind: Kind, aptly: bool) -> Value {
    let held = if aptly { ["work", "mobile"] } else { ["secondary", "primary"] };
    let several = if aptly {
        ["home", "work", "mobile", "mobile"]
    } else {
        ["primary", "secondary", "secondary", "secondary"]
    };
    let many = if aptly { "mobile" } else { "secondary" };
    match kind {
        Kind::Absent | Kind::Null => Value::Null,
        Kind::Empty => json!([]),
        Kind::Blank => json!([{ "phoneNumber": "  " }]),
        Kind::One => json!([phone(5, Some(several[0]))]),
        Kind::Several => (5..9).zip(several).map(|(place, kind)| phone(place, Some(kind))).collect(),
        Kind::Swapped => json!([phone(1, Some(held[1])), phone(0, Some(held[0]))]),
        Kind::Untyped => json!([phone(0, None), phone(1, None), phone(5, None)]),
        Kind::Same => json!([phone(0, Some(held[0])), phone(1, Some(held[1]))]),
        Kind::Unicode => {
            json!([{ "phoneNumber": "+\u{661}\u{664}\u{661}\u{666}\u{665}\u{665}\u{665}\u{660}\u{662}\u{660}\u{665}" }])
        }
        Kind::Longest | Kind::OneTooMany => {
            let last = if kind == Kind::Longest { 60 } else { 61 };
            (10..last)
                .map(|place| phone(place, Some(if place == 10 && !aptly { "primary" } else { many })))
                .collect()
        }
        Kind::Duplicates => {
            json!([phone(5, None), { "phoneNumber": "+1 (416) 555-0205" }, phone(6, None), phone(5, None)])
        }
    }
}

fn addresses(kind: Kind) -> Option<Value> {
    let one = json!({ "addressType": "main", "street1": "2 Other Street", "city": "Shelbyville" });
    let held = json!({ "addressType": "main", "street1": "1 Example Street", "street2": null, "city": "Springfield",
        "state": "CA", "countrySubdivision": null, "country": null, "postalCode": "90000" });
    Some(match kind {
        Kind::Absent | Kind::Swapped | Kind::Unicode => return None,
        Kind::Null => Value::Null,
        Kind::Empty => json!([]),
        Kind::Blank => json!([{ "street1": " " }]),
        Kind::One => json!([one]),
        Kind::Several => json!([held, one]),
        Kind::Untyped => {
            json!([{ "street1": "1 Example Street", "city": "Springfield", "state": "CA", "postalCode": "90000" }])
        }
        Kind::Same => json!([held]),
        Kind::Longest => (0..20).map(|_| one.clone()).collect(),
        Kind::OneTooMany => (0..21).map(|_| one.clone()).collect(),
        Kind::Duplicates => json!([held, held]),
    })
}

/// A value out of a list that the CRM knows.
fn chosen(kind: Kind, same: &str, other: &str, otherwise_spelled: &str) -> Option<Value> {
    Some(match kind {
        Kind::Null => Value::Null,
        Kind::Empty => json!(""),
        Kind::Blank => json!("  "),
        Kind::One => json!(other),
        Kind::Several => json!("Nonsense"),
        Kind::Untyped => json!(5),
        Kind::Same => json!(same),
        Kind::Unicode if !otherwise_spelled.is_empty() => json!(otherwise_spelled),
        _ => return None,
    })
}

fn custom_fields(kind: Kind) -> Option<Value> {
    let id = "5D8LYiyMt54aKD7x9";
    Some(match kind {
        Kind::Null => Value::Null,
        Kind::Empty => json!({}),
        Kind::Blank => json!({ id: "" }),
        Kind::One => json!({ id: "Guest" }),
        Kind::Several => json!({ id: "Guest", "DbJT6rMdnuds7vSbP": true }),
        Kind::Swapped => json!({ id: null }),
        Kind::Same => json!({ id: "Primary Tenant" }),
        Kind::Unicode => json!({ id: "Zo\u{eb} \u{674e} \u{1f600}" }),
        Kind::Longest => json!({ id: "x".repeat(1000) }),
        Kind::Duplicates => json!({ "Zr5bNm8CyHt2WqXe4": "2025-09-01" }),
        _ => return None,
    })
}
