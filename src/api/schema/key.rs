//! Keys in answers; a key's secret is shown once, when it is made.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Each, Rfc3339, Show};
use crate::domain::{CredentialId, Scope};
use crate::gateway::Listing;
use crate::gateway::keys::KeyRecord;

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Key)]
pub(crate) struct KeyShape<'a> {
    /// Its public part.
    id: &'a str,
    /// A name for people.
    name: &'a str,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// The only credentials it may name; null means all.
    #[schema(required = true)]
    credential_ids: Option<Vec<&'a str>>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Rfc3339,
    /// When it ends; null means never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Rfc3339>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Rfc3339>,
}

impl Show for KeyRecord {
    type Shape<'a> = KeyShape<'a>;

    fn show(&self) -> KeyShape<'_> {
        let Self {
            id,
            tenant: _,
            name,
            digest: _,
            scopes,
            credentials,
            created_at,
            expires_at,
            last_used_at,
        } = self;
        KeyShape {
            id: id.as_str(),
            name,
            scopes: scopes.as_slice().iter().copied().map(Scope::as_str).collect(),
            credential_ids: credentials.as_ref().map(|ids| ids.iter().map(CredentialId::as_str).collect()),
            created_at: Rfc3339(*created_at),
            expires_at: expires_at.map(Rfc3339),
            last_used_at: last_used_at.map(Rfc3339),
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyAnswer)]
pub(crate) struct KeyAnswer<'a> {
    key: KeyShape<'a>,
    /// The whole secret, for `Authorization: Bearer`. It is shown here and never again.
    secret: &'a str,
}

impl<'a> KeyAnswer<'a> {
    /// The answer that shows `key` and, this once, its secret.
    pub(crate) fn of(key: &'a KeyRecord, secret: &'a SecretString) -> Self {
        Self { key: key.show(), secret: secret.expose_secret() }
    }
}

/// Some keys of a tenant, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KeyListing)]
pub(crate) struct KeyListing<'a> {
    /// The keys.
    #[schema(value_type = Vec<KeyShape>)]
    items: Each<'a, KeyRecord>,
    /// The cursor of the next ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<&'a str>,
}

impl<'a> KeyListing<'a> {
    /// The answer that shows `listing`.
    pub(crate) fn of(listing: &'a Listing<KeyRecord>) -> Self {
        let Listing { items, next_cursor } = listing;
        Self { items: Each(items), next_cursor: next_cursor.as_deref() }
    }
}
