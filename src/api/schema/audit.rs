//! Audit records in responses.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Rfc3339, listing, shape};
use crate::domain::{TenantId, Text};
use crate::store::AuditRecord;

shape! {
    /// A record of an action that was done or refused. It never holds a value.
    #[schema(as = AuditRecord)]
    pub(in crate::api) struct AuditShape<'a> of AuditRecord {
        id: _, at, actor_kind, actor_id, tenant, action, target, fields, outcome, request_id
    } => {
        /// When the action began.
        #[schema(value_type = String, format = DateTime)]
        at: Rfc3339 = Rfc3339(*at),
        actor: ActorShape<'a> = ActorShape { kind: actor_kind, id: actor_id.as_deref() },
        /// The tenant that the action concerned; null if none.
        #[schema(required = true)]
        tenant_id: Option<&'a str> = tenant.as_ref().map(TenantId::as_str),
        /// The action, such as `contact.update`.
        action: &'a str = action,
        /// The id of the object of the action; null if it is not known.
        #[schema(required = true)]
        target: Option<&'a str> = target.as_deref(),
        /// The names of the fields that were sent. Only a few refused authentications a minute are recorded; `unrecorded:<n>`
        /// counts those since the previous record.
        fields: Vec<&'a str> = fields.iter().map(Text::as_str).collect(),
        /// `ok`, `replayed`, the code of the failure, or `cut_off` if the request ended early and its outcome is not known.
        outcome: &'a str = outcome,
        /// The request id; null for actions on the command line.
        #[schema(required = true)]
        request_id: Option<&'a str> = request_id.as_deref(),
    }
}

/// Who did the action.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub(in crate::api) struct ActorShape<'a> {
    /// `key`, `token`, `operator` (by the admin token), `cli`, or `nobody` if authentication failed.
    kind: &'a str,
    /// The id of the key, or the issuer and subject of the token; null if there is none.
    #[schema(required = true)]
    id: Option<&'a str>,
}

listing! {
    /// A page of audit records, newest first.
    pub(crate) struct AuditListing {
        /// The records.
        items: [AuditShape] of AuditRecord,
        /// The cursor of the next page; null at the end.
        next_cursor,
    }
}
