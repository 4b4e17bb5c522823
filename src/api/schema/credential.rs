//! Credentials in responses. They never show a secret.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Rfc3339, Show, listing, shape};
use crate::adapters::Account;
use crate::api::problem::{Problem, ProblemContext};
use crate::domain::{Failure, abbreviated};
use crate::gateway::credentials::{CheckRecord, Credential};
use crate::json::Raw;

shape! {
    /// A link to one CRM account, without its secret.
    #[schema(as = Credential)]
    pub(crate) struct CredentialShape<'a> of Credential {
        id, provider, name, settings, created_at, updated_at, last_check
    } => {
        /// The id, used as `credentialId` in other requests.
        credential_id: &'a str = id.as_str(),
        /// The provider of the CRM.
        provider: &'static str = provider.as_str(),
        /// A name that is unique in the tenant.
        name: &'a str = name,
        /// The settings as they were sent.
        #[schema(value_type = Object)]
        settings: Raw<'a> = Raw::from_checked(settings.as_str()),
        /// When it was created.
        #[schema(value_type = String, format = DateTime)]
        created_at: Rfc3339 = Rfc3339(*created_at),
        /// When it was last changed.
        #[schema(value_type = String, format = DateTime)]
        updated_at: Rfc3339 = Rfc3339(*updated_at),
        /// The result of the last check; null if there was none.
        #[schema(required = true)]
        last_check: Option<LastCheckShape<'a>> = last_check.as_ref().map(Show::show),
    }
}

shape! {
    /// The result of the last check, or of a later call that the CRM refused or accepted.
    #[schema(as = LastCheck)]
    pub(crate) struct LastCheckShape<'a> of CheckRecord { at, since, ok, code } => {
        /// When the credential was checked, or when a call showed that `ok` changed.
        #[schema(value_type = String, format = DateTime)]
        at: Rfc3339 = Rfc3339(*at),
        /// Since when `ok` has been the same.
        #[schema(value_type = String, format = DateTime)]
        since: Rfc3339 = Rfc3339(*since),
        /// Whether the CRM accepted the secret.
        ok: bool = *ok,
        /// The code of the problem, if `ok` is false.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        code: Option<&'a str> = code.as_deref(),
    }
}

/// One credential.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialAnswer)]
pub(crate) struct CredentialResponse<'a> {
    pub(crate) credential: CredentialShape<'a>,
}

impl<'a> CredentialResponse<'a> {
    /// The response that shows `credential`.
    pub(crate) fn of(credential: &'a Credential) -> Self {
        Self { credential: credential.show() }
    }
}

listing! {
    /// A page of credentials, oldest first.
    pub(crate) struct CredentialListing {
        /// The credentials.
        items: [CredentialShape] of Credential,
        /// The cursor of the next page; null at the end. A page ends early if its items reach 1 MiB.
        next_cursor,
    }
}

/// The result of a check of a credential.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckAnswer)]
pub(in crate::api) struct CheckResponse<'a> {
    /// Whether the CRM accepted the secret.
    ok: bool,
    /// The account of the secret; null if the check failed.
    #[schema(required = true)]
    account: Option<AccountShape<'a>>,
    /// The duration of the check in milliseconds.
    duration_ms: u64,
    /// The reason why the check failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem<'a>>,
}

/// An account in a CRM.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountShape<'a> {
    /// The CRM's id of the account, if the CRM shows it.
    #[schema(required = true)]
    id: Option<Cow<'a, str>>,
    /// The name of the account, if the CRM shows it; at most the first 100 characters.
    #[schema(required = true)]
    name: Option<Cow<'a, str>>,
}

impl<'a> CheckResponse<'a> {
    /// The response that shows the `outcome` of a check.
    pub(in crate::api) fn of(
        outcome: &'a Result<Account, Failure>,
        took: std::time::Duration,
        context: &'a ProblemContext,
    ) -> Self {
        Self {
            ok: outcome.is_ok(),
            account: outcome.as_ref().ok().map(|Account { id, name }| AccountShape {
                id: id.as_deref().map(abbreviated),
                name: name.as_deref().map(abbreviated),
            }),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            problem: outcome.as_ref().err().map(|failure| Problem::of(failure, context)),
        }
    }
}
