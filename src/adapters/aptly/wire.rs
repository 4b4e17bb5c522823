//! Aptly's JSON: one reader for the keys of versions 2 and 3, and two bodies for writes.

use crate::domain::field_key;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::adapters::reading::Named;
use crate::json::{Members, Raw};

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
        for (name, raw) in members.0 {
            let slot = match field_key(&name).as_str() {
                "id" if name == "_id" && wire.id.is_none() => {
                    wire.id = Some(raw);
                    continue;
                }
                "firstname" => &mut wire.first_name,
                "lastname" => &mut wire.last_name,
                "company" => &mut wire.company,
                "email" => &mut wire.emails,
                "phone" => &mut wire.phones,
                "createdat" => &mut wire.created_at,
                "updatedat" => &mut wire.updated_at,
                "fullname" => {
                    wire.full_names.push((name, raw));
                    continue;
                }
                "address" => &mut wire.address,
                key => {
                    if let Some(kind) = typed_phone(key) {
                        wire.typed_phones.push((kind, (name, raw)));
                        continue;
                    }
                    if key == "iscompany" {
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

fn typed_phone(key: &str) -> Option<&'static str> {
    match key {
        "mobilephone" => Some("mobile"),
        "workphone" => Some("work"),
        "homephone" => Some("home"),
        _ => None,
    }
}

pub(super) struct CustomFields<'a>(pub(super) Vec<(&'a str, &'a RawValue)>);

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
    pub(super) contact_type: Option<&'a RawValue>,
    #[serde(rename = "Title", skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a RawValue>,
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
    pub(super) image_url: Option<&'a RawValue>,
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
    pub(super) type_id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_type: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_company: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone: Option<Vec<PhoneBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_fields: Option<CustomFields<'a>>,
}

#[derive(Serialize)]
pub(super) struct PhoneBody<'a> {
    pub(super) number: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}
