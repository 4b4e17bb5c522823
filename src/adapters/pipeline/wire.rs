//! The pipeline CRM's JSON.

use std::borrow::Cow;

use serde::Serialize;

use crate::adapters::reading::Named;
use crate::json::{Members, Raw};

/// A contact: fields that a unified field reads, and all others unchanged.
#[derive(Default)]
pub(super) struct PipelineContactWire<'a> {
    pub(super) id: Option<Raw<'a>>,
    pub(super) first_name: Option<Named<'a>>,
    pub(super) last_name: Option<Named<'a>>,
    pub(super) phones: Option<Named<'a>>,
    pub(super) more_phones: Option<Named<'a>>,
    pub(super) emails: Option<Named<'a>>,
    pub(super) last_message_time: Option<Named<'a>>,
    pub(super) created_at: Option<Named<'a>>,
    pub(super) updated_at: Option<Named<'a>>,
    pub(super) rest: Vec<Named<'a>>,
}

impl<'a> PipelineContactWire<'a> {
    pub(super) fn read(members: Members<'a>) -> Self {
        let mut wire = Self::default();
        for (name, raw) in members.0 {
            let slot = match name.as_ref() {
                "_id" => {
                    wire.id = Some(raw);
                    continue;
                }
                "firstName" => &mut wire.first_name,
                "lastName" => &mut wire.last_name,
                "phoneNumber" => &mut wire.phones,
                "secondaryPhoneNumber" => &mut wire.more_phones,
                "email" => &mut wire.emails,
                "lastMessageTime" => &mut wire.last_message_time,
                "createdAt" => &mut wire.created_at,
                "updatedAt" => &mut wire.updated_at,
                _ => {
                    wire.rest.push((name, raw));
                    continue;
                }
            };
            *slot = Some((name, raw));
        }
        wire
    }
}

/// The body of create and update. Absent fields are unchanged, `null` clears.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_name: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_name: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<Vec<WireEntry<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<Email<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pipeline_stage: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pipeline_id: Option<Raw<'a>>,
}

/// E-mail addresses: a string for one, a list for several, `null` for none.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Email<'a> {
    None(()),
    One(&'a str),
    Several(Vec<WireEntry<'a>>),
}

/// An entry of a list of phones or e-mails, with the CRM's other fields (such as `verifiedAt`). The CRM drops
/// fields that are not sent back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEntry<'a> {
    pub(super) value: &'a str,
    pub(super) is_primary: bool,
    #[serde(flatten)]
    pub(super) kept: std::collections::BTreeMap<Cow<'a, str>, Raw<'a>>,
}

/// A login by password.
#[derive(Serialize)]
pub(super) struct LoginRequest<'a> {
    pub(super) email: &'a str,
    pub(super) password: &'a str,
}

/// The documented bulk delete. Never sent without an id: the effect of an empty list is unknown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkDelete<'a> {
    pub(super) contact_ids: [&'a str; 1],
}
