//! What `--json` prints: the members and spellings of the API.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::{CredentialId, Scope, Timestamp};
use crate::gateway::credentials::{Credential, LastCheck};
use crate::gateway::keys::IssuedKey;
use crate::gateway::tenants::Tenant;

/// A whole listing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Items<T> {
    items: Vec<T>,
    /// The commands walk to the end; the member is there because the API has it.
    next_cursor: Option<String>,
}

impl<T> Items<T> {
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownTenant {
    id: String,
    name: String,
    created_at: String,
}

impl From<&Tenant> for ShownTenant {
    fn from(Tenant { id, name, created_at }: &Tenant) -> Self {
        Self { id: id.to_string(), name: name.as_str().to_owned(), created_at: time(*created_at) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownKey {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    credential_ids: Option<Vec<String>>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl From<&IssuedKey> for ShownKey {
    fn from(key: &IssuedKey) -> Self {
        let IssuedKey { id, name, scopes, credential_ids, created_at, expires_at, last_used_at } = key;
        let ids = |ids: &Vec<CredentialId>| ids.iter().map(CredentialId::to_string).collect();
        Self {
            id: id.to_string(),
            name: name.as_str().to_owned(),
            scopes: scopes.as_slice().iter().copied().map(Scope::as_str).collect(),
            credential_ids: credential_ids.as_ref().map(ids),
            created_at: time(*created_at),
            expires_at: expires_at.map(time),
            last_used_at: last_used_at.map(time),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownCredential {
    credential_id: String,
    provider: &'static str,
    name: String,
    settings: Box<RawValue>,
    created_at: String,
    updated_at: String,
    last_check: Option<ShownCheck>,
}

#[derive(Serialize)]
struct ShownCheck {
    at: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl TryFrom<&Credential> for ShownCredential {
    type Error = super::CliError;
    fn try_from(credential: &Credential) -> Result<Self, super::CliError> {
        let Credential { id, provider, name, settings, created_at, updated_at, last_check } = credential;
        let settings = RawValue::from_string(settings.as_str().to_owned())
            .map_err(|_| super::CliError::failed("stored settings are no JSON"))?;
        Ok(Self {
            credential_id: id.to_string(),
            provider: provider.as_str(),
            name: name.as_str().to_owned(),
            settings,
            created_at: time(*created_at),
            updated_at: time(*updated_at),
            last_check: last_check.as_ref().map(|LastCheck { at, ok, code }| ShownCheck {
                at: time(*at),
                ok: *ok,
                code: code.as_ref().map(|code| code.as_str().to_owned()),
            }),
        })
    }
}

/// RFC 3339 in UTC with milliseconds, as the API writes it.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
