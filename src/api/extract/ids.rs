//! Ids in the path.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::domain::{Failure, FailureKind, KeyId, Result, TenantId, suggestion};

/// Words that are never ids, in any percent-encoding.
const RESERVED: [&str; 5] = ["fields", "export", "search", "upsert", "count"];

/// A contact's id: the gateway's or the CRM's.
pub(in crate::api) struct ContactPath(pub(in crate::api) String);

impl<S: Send + Sync> FromRequestParts<S> for ContactPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let unknown = || Failure::new(FailureKind::ContactNotFound, "No contact has this id.");
        let id: String = path(parts, state).await.ok_or_else(unknown)?;
        if RESERVED.contains(&id.as_str()) { Err(unknown()) } else { Ok(Self(id)) }
    }
}

impl ContactPath {
    /// The failure for this id, which says so if another path was probably meant. The ids of the CRMs are no words.
    pub(in crate::api) fn explain(id: &str, failure: Failure) -> Failure {
        let is_word = id.bytes().all(|byte| byte.is_ascii_lowercase());
        match suggestion(id, RESERVED.into_iter()) {
            Some(meant) if is_word && failure.kind == FailureKind::ContactNotFound => {
                let detail = format!("{} Did you mean `/crm/contacts/{meant}`?", failure.detail.as_str());
                Failure { detail: detail.into(), ..failure }
            }
            _ => failure,
        }
    }
}

/// The only id in the path.
pub(in crate::api) struct IdPath<I>(pub(in crate::api) I);

impl<I: From<String>, S: Send + Sync> FromRequestParts<S> for IdPath<I> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        Ok(Self(path::<String, S>(parts, state).await.unwrap_or_default().into()))
    }
}

/// A tenant's id and the id of one of its keys.
pub(in crate::api) struct KeyPath(pub(in crate::api) TenantId, pub(in crate::api) KeyId);

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let (tenant, key): (String, String) = path(parts, state).await.unwrap_or_default();
        Ok(Self(tenant.into(), key.into()))
    }
}

/// The variables of the path, or `None` if they are not UTF-8. They cannot be an id then, and callers use the empty id, which
/// does not exist either.
async fn path<T: DeserializeOwned + Send, S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<T> {
    Path::<T>::from_request_parts(parts, state).await.ok().map(|Path(variables)| variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_the_place_of_an_id_is_a_mistyped_path() {
        let detail = |id, kind| ContactPath::explain(id, Failure::new(kind, "None.")).detail;
        let not_found = FailureKind::ContactNotFound;
        for (id, kind, expected) in [
            ("searc", not_found, "None. Did you mean `/crm/contacts/search`?"),
            ("feilds", not_found, "None. Did you mean `/crm/contacts/fields`?"),
            ("searc", FailureKind::UpstreamTimeout, "None."),
            ("Searc", not_found, "None."),
            ("64f0a1b2c3d4e5f6a0000001", not_found, "None."),
        ] {
            assert_eq!(detail(id, kind).as_str(), expected, "{id}");
        }
    }
}
