//! Audit records in answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Each, Rfc3339, Show};
use crate::domain::{TenantId, Text};
use crate::gateway::Listing;
use crate::store::AuditRecord;

/// One thing that was done or refused; it never holds a value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditRecord)]
pub(in crate::api) struct AuditShape<'a> {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    at: Rfc3339,
    actor: ActorShape<'a>,
    /// Whose things were touched; null where no tenant's were.
    #[schema(required = true)]
    tenant_id: Option<&'a str>,
    /// What was done, such as `contact.update`.
    action: &'a str,
    /// The id of what it was done to; null where that is not known.
    #[schema(required = true)]
    target: Option<&'a str>,
    /// The members that were given, by name. Of refused authentications a few a minute are recorded, and
    /// `unrecorded:<n>` tells how many before were only counted.
    fields: Vec<&'a str>,
    /// `ok`; the failure's code; or `cut_off` where the caller left before the end and nobody knows.
    outcome: &'a str,
    /// The request; null for what was done at the command line.
    #[schema(required = true)]
    request_id: Option<&'a str>,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub(in crate::api) struct ActorShape<'a> {
    /// `key`, `token`, `operator` (by the admin token), `cli`, or `nobody` where no one was let in.
    kind: &'a str,
    /// The key's id, or the token's issuer and subject; null where there is none.
    #[schema(required = true)]
    id: Option<&'a str>,
}

impl Show for AuditRecord {
    type Shape<'a> = AuditShape<'a>;

    fn show(&self) -> AuditShape<'_> {
        let Self { id: _, at, actor_kind, actor_id, tenant, action, target, fields, outcome, request_id } =
            self;
        AuditShape {
            at: Rfc3339(*at),
            actor: ActorShape { kind: actor_kind, id: actor_id.as_deref() },
            tenant_id: tenant.as_ref().map(TenantId::as_str),
            action,
            target: target.as_deref(),
            fields: fields.iter().map(Text::as_str).collect(),
            outcome,
            request_id: request_id.as_deref(),
        }
    }
}

/// Some audit records, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditListing)]
pub(in crate::api) struct AuditListing<'a> {
    /// The records.
    #[schema(value_type = Vec<AuditShape>)]
    items: Each<'a, AuditRecord>,
    /// The cursor of the next ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<&'a str>,
}

impl<'a> AuditListing<'a> {
    /// The answer that shows `listing`.
    pub(in crate::api) fn of(listing: &'a Listing<AuditRecord>) -> Self {
        let Listing { items, next_cursor } = listing;
        Self { items: Each(items), next_cursor: next_cursor.as_deref() }
    }
}
