//! Aptly's JSON: one reader for the keys of versions 2 and 3, and two bodies for writes.

use crate::domain::short_field_key;
use serde::Serialize;

use crate::adapters::reading::Named;
use crate::json::{Members, Raw};

/// The length of the longest key that a unified field reads.
const LONGEST_KEY: usize = "mobilephone".len();

/// A contact in any spelling (`firstname`, `First Name`, `fullName`): fields that a unified field reads, by
/// meaning, and all others unchanged.
#[derive(Default)]
pub(super) struct AptlyContactWire<'a> {
    pub(super) id: Option<Raw<'a>>,
    pub(super) first_name: Option<Named<'a>>,
    pub(super) last_name: Option<Named<'a>>,
    pub(super) full_names: Vec<Named<'a>>,
    pub(super) company: Option<Named<'a>>,
    pub(super) is_company: Option<Raw<'a>>,
    pub(super) emails: Option<Named<'a>>,
    pub(super) phones: Option<Named<'a>>,
    /// `Mobile Phone`, `Work Phone`, `Home Phone`, each with its type.
    pub(super) typed_phones: Vec<(&'static str, Named<'a>)>,
    pub(super) address: Option<Named<'a>>,
    pub(super) created_at: Option<Named<'a>>,
    pub(super) updated_at: Option<Named<'a>>,
    pub(super) rest: Vec<Named<'a>>,
}

impl<'a> AptlyContactWire<'a> {
    /// Sorts the fields of an object by meaning. If a key appears in two spellings, the first one counts and
    /// the second is kept in `rest`.
    pub(super) fn read(members: Members<'a>) -> Self {
        let mut wire = Self::default();
        let mut key = [0; LONGEST_KEY];
        for (name, raw) in members.0 {
            let slot = match short_field_key(&name, &mut key) {
                b"id" if name == "_id" && wire.id.is_none() => {
                    wire.id = Some(raw);
                    continue;
                }
                b"firstname" => &mut wire.first_name,
                b"lastname" => &mut wire.last_name,
                b"company" => &mut wire.company,
                b"email" => &mut wire.emails,
                b"phone" => &mut wire.phones,
                b"createdat" => &mut wire.created_at,
                b"updatedat" => &mut wire.updated_at,
                b"fullname" => {
                    wire.full_names.push((name, raw));
                    continue;
                }
                b"address" => &mut wire.address,
                key => {
                    if let Some(kind) = typed_phone(key) {
                        wire.typed_phones.push((kind, (name, raw)));
                        continue;
                    }
                    if key == b"iscompany" {
                        wire.is_company = Some(raw);
                    }
                    wire.rest.push((name, raw));
                    continue;
                }
            };
            match slot {
                None => *slot = Some((name, raw)),
                Some(_) => wire.rest.push((name, raw)),
            }
        }
        wire
    }
}

fn typed_phone(key: &[u8]) -> Option<&'static str> {
    match key {
        b"mobilephone" => Some("mobile"),
        b"workphone" => Some("work"),
        b"homephone" => Some("home"),
        _ => None,
    }
}

pub(super) struct CustomFields<'a>(pub(super) Vec<(&'a str, Raw<'a>)>);

impl Serialize for CustomFields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, value)| (id, value)))
    }
}

/// Capitalised keys, valid in every version: one e-mail, one phone of each type.
#[derive(Serialize)]
pub(super) struct LegacyBody<'a> {
    #[serde(rename = "First Name", skip_serializing_if = "Option::is_none")]
    pub(super) first_name: Option<&'a str>,
    #[serde(rename = "Last Name", skip_serializing_if = "Option::is_none")]
    pub(super) last_name: Option<&'a str>,
    #[serde(rename = "Contact Type", skip_serializing_if = "Option::is_none")]
    pub(super) contact_type: Option<Raw<'a>>,
    #[serde(rename = "Title", skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<Raw<'a>>,
    #[serde(rename = "Company", skip_serializing_if = "Option::is_none")]
    pub(super) company: Option<&'a str>,
    #[serde(rename = "Email", skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(rename = "Mobile Phone", skip_serializing_if = "Option::is_none")]
    pub(super) mobile_phone: Option<&'a str>,
    #[serde(rename = "Home Phone", skip_serializing_if = "Option::is_none")]
    pub(super) home_phone: Option<&'a str>,
    #[serde(rename = "Work Phone", skip_serializing_if = "Option::is_none")]
    pub(super) work_phone: Option<&'a str>,
    #[serde(rename = "imageUrl", skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<Raw<'a>>,
    #[serde(rename = "customFields", skip_serializing_if = "Option::is_none")]
    pub(super) custom_fields: Option<CustomFields<'a>>,
}

/// Lower-case keys of the newest version: lists of e-mails and phones, companies, type ids.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NativeBody<'a> {
    #[serde(rename = "firstname", skip_serializing_if = "Option::is_none")]
    pub(super) first_name: Option<&'a str>,
    #[serde(rename = "lastname", skip_serializing_if = "Option::is_none")]
    pub(super) last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) type_id: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_type: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_company: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone: Option<Vec<PhoneBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_fields: Option<CustomFields<'a>>,
}

#[derive(Serialize)]
pub(super) struct PhoneBody<'a> {
    pub(super) number: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}
