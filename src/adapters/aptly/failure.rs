//! What Aptly's error responses mean.

use super::SPEC;
use crate::adapters::error_mapping;
use crate::domain::{Failure, FailureKind, Result};
use crate::json::{self, Members};
use crate::upstream::Reply;

/// Words of Aptly's messages, and the unified field that they refer to.
const POINTERS: &[(&str, &str)] = &[
    ("custom field", "/remoteFields/customFields"),
    ("contact type", "/remoteFields/contactType"),
    ("imageurl", "/remoteFields/imageUrl"),
    ("image", "/remoteFields/imageUrl"),
    ("phone", "/phoneNumbers"),
    ("email", "/emailAddresses"),
];

/// Returns a 2xx reply, unless it has `success: false`. Any other reply is a failure.
pub(super) fn check(reply: Reply) -> Result<Reply> {
    let refused = error_mapping::is_soft_failure(&reply);
    if reply.is_success() && !refused {
        return Ok(reply);
    }
    let message = message(&reply);
    let mut failure = error_mapping::by_status(&error_mapping::as_client_error(&reply), message.as_deref())
        .with_upstream(SPEC.provider, Some(reply.status));
    if failure.kind == FailureKind::UpstreamRejected {
        let said = message.as_deref().unwrap_or_default();
        failure.faults = error_mapping::fault_named(POINTERS, said, &reply.secrets).into_iter().collect();
    }
    Err(failure)
}

/// For calls that name no contact: a 404 means that the route does not exist.
pub(super) fn check_route(reply: Reply) -> Result<Reply> {
    check(reply).map_err(error_mapping::of_route)
}

/// For lists and other reads of no single contact.
pub(super) fn check_list(reply: Reply) -> Result<Reply> {
    check_route(reply).map_err(error_mapping::of_read)
}

/// A rejected id counts as unknown: Aptly documents no response for it.
pub(super) fn check_get(reply: Reply) -> Result<Reply> {
    if reply.status == 400 {
        return Err(not_found().with_upstream(SPEC.provider, Some(400)));
    }
    check(reply).map_err(error_mapping::of_read)
}

pub(super) fn not_found() -> Failure {
    Failure::new(FailureKind::ContactNotFound, "Aptly has no contact with this id.")
}

/// The text of `message`, else of `reason` (used by the rate limit), else of `error`.
fn message(reply: &Reply) -> Option<String> {
    let text = reply.json().ok()?;
    let Members(members) = json::members(&text)?;
    ["message", "reason", "error"].iter().find_map(|name| {
        let (_, raw) = members.iter().find(|(key, _)| key == name)?;
        json::string(raw.get()).map(std::borrow::Cow::into_owned)
    })
}
