//! API keys in responses. The secret of a key is shown once, when the key is created.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Rfc3339, Show, listing, shape};
use crate::domain::{CredentialId, Scope};
use crate::gateway::keys::KeyRecord;

shape! {
    /// An API key, without its secret.
    #[schema(as = Key)]
    pub(crate) struct KeyShape<'a> of KeyRecord {
        id, tenant: _, name, digest: _, scopes, credentials, created_at, expires_at, last_used_at
    } => {
        /// The id, which is the public part of the key.
        id: &'a str = id.as_str(),
        /// A display name.
        name: &'a str = name,
        /// The scopes of the key.
        scopes: Vec<&'static str> = scopes.as_slice().iter().copied().map(Scope::as_str).collect(),
        /// The only credentials that the key may use; null means all.
        #[schema(required = true)]
        credential_ids: Option<Vec<&'a str>> =
            credentials.as_ref().map(|ids| ids.iter().map(CredentialId::as_str).collect()),
        /// When the key was created.
        #[schema(value_type = String, format = DateTime)]
        created_at: Rfc3339 = Rfc3339(*created_at),
        /// When the key expires; null means never.
        #[schema(value_type = Option<String>, format = DateTime, required = true)]
        expires_at: Option<Rfc3339> = expires_at.map(Rfc3339),
        /// When the key was last used, to the minute; null means never.
        #[schema(value_type = Option<String>, format = DateTime, required = true)]
        last_used_at: Option<Rfc3339> = last_used_at.map(Rfc3339),
    }
}

/// A new key and its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyAnswer)]
pub(crate) struct KeyResponse<'a> {
    key: KeyShape<'a>,
    /// The complete secret, for `Authorization: Bearer`. It is shown only in this response.
    secret: &'a str,
}

impl<'a> KeyResponse<'a> {
    /// The response that shows `key` and its secret.
    pub(crate) fn of(key: &'a KeyRecord, secret: &'a SecretString) -> Self {
        Self { key: key.show(), secret: secret.expose_secret() }
    }
}

listing! {
    /// A page of the keys of a tenant, oldest first.
    pub(crate) struct KeyListing {
        /// The keys.
        items: [KeyShape] of KeyRecord,
        /// The cursor of the next page; null at the end.
        next_cursor,
    }
}
