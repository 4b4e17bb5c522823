//! What the pipeline CRM's error responses mean, including `success: false` with status 200.

use std::borrow::Cow;

use super::SPEC;
use crate::adapters::error_mapping;
use crate::domain::{Effect, Failure, FailureKind, Result};
use crate::json::{self, Kind, Members};
use crate::upstream::Reply;

/// Words that indicate a duplicate if the status does not.
const DUPLICATE: &[&str] = &["exist", "duplicate", "already", "unique"];

/// Words that indicate that something does not exist: the contact, unless one of [`POINTERS`] matches.
const MISSING: &[&str] = &["not found", "not exist", "n't exist"];

/// Words of messages, and the unified field that they refer to.
const POINTERS: &[(&str, &str)] = &[
    ("phone", "/phoneNumbers"),
    ("email", "/emailAddresses"),
    ("pipelinestage", "/remoteFields/pipelineStage"),
    ("pipeline stage", "/remoteFields/pipelineStage"),
    ("pipeline", "/remoteFields/pipelineId"),
    ("stage", "/remoteFields/status"),
    ("status", "/remoteFields/status"),
];

/// Returns a 2xx reply, unless it has `success: false`. Any other reply is a failure.
pub(super) fn check(reply: Reply) -> Result<Reply> {
    if reply.is_success() && !error_mapping::is_soft_failure(&reply) {
        return Ok(reply);
    }
    let text = reply.json().ok();
    let message = text.as_ref().and_then(|text| text.members(text)).as_ref().and_then(message);
    Err(failure(&reply, message.as_deref()))
}

fn failure(reply: &Reply, message: Option<&str>) -> Failure {
    let mut failure = error_mapping::by_status(&error_mapping::as_client_error(reply), message)
        .with_upstream(SPEC.provider, Some(reply.status));
    let said = message.unwrap_or_default();
    let message = said.to_lowercase();
    if failure.kind == FailureKind::UpstreamRejected {
        let missing = MISSING.iter().any(|word| message.contains(word));
        let fault = error_mapping::fault_named(POINTERS, said, &reply.secrets);
        if !missing && DUPLICATE.iter().any(|word| message.contains(word)) {
            failure.kind = FailureKind::ContactExists;
        } else if missing && fault.is_none() {
            failure.kind = FailureKind::ContactNotFound;
        } else {
            failure.faults = fault.into_iter().collect();
        }
    }
    failure
}

/// For calls that name no contact: a 404 means that the route does not exist.
pub(super) fn check_route(reply: Reply) -> Result<Reply> {
    check(reply).map_err(error_mapping::of_route)
}

/// For lists and other reads of no single contact.
pub(super) fn check_list(reply: Reply) -> Result<Reply> {
    check_route(reply).map_err(error_mapping::of_read)
}

/// For logins. The message of the response is not passed on: it may repeat what was sent.
pub(super) fn check_login(reply: Reply) -> Result<Reply> {
    if reply.is_success() && !error_mapping::is_soft_failure(&reply) {
        return Ok(reply);
    }
    let failure =
        error_mapping::of_route(error_mapping::by_status(&error_mapping::as_client_error(&reply), None));
    let failure = match failure.kind {
        FailureKind::UpstreamCredentialRejected
        | FailureKind::UpstreamPermissionDenied
        | FailureKind::UpstreamRejected
        | FailureKind::ContactExists => Failure::new(
            FailureKind::UpstreamCredentialRejected,
            "The CRM rejected this e-mail and password. Store those of a user who can log in.",
        ),
        _ => failure,
    };
    Err(failure.with_upstream(SPEC.provider, Some(reply.status)))
}

pub(super) fn no_token(reply: &Reply) -> Failure {
    Failure::new(FailureKind::UpstreamInvalidResponse, "The CRM's response to the login has no token.")
        .with_upstream(SPEC.provider, Some(reply.status))
}

/// The path that reads one contact is not documented. If it does not exist, the setting must be fixed.
pub(super) fn check_get(reply: Reply) -> Result<Reply> {
    check_path(reply, "getPath").map_err(error_mapping::of_read)
}

/// The same for the path that deletes one contact.
pub(super) fn check_delete(reply: Reply) -> Result<Reply> {
    check_path(reply, "deletePath")
}

fn check_path(reply: Reply, setting: &str) -> Result<Reply> {
    let missing = reply.status == 405 || (reply.status == 404 && !reply.is_json());
    if missing {
        return Err(unusable(setting).with_upstream(SPEC.provider, Some(reply.status)));
    }
    check(reply)
}

/// The CRM has no such path, or its response has no record.
pub(super) fn unusable(setting: &str) -> Failure {
    let detail = format!(
        "The pipeline CRM returns no contact at the path of the credential's setting `{setting}`. Fix the setting."
    );
    Failure::new(FailureKind::OperationUnsupported, detail).with_effect(Effect::None)
}

pub(super) fn not_found() -> Failure {
    Failure::new(FailureKind::ContactNotFound, "The pipeline CRM has no contact with this id.")
}

/// The first text among `message`, `error`, `error.message`, `data.message`, `errors[0].message`.
fn message(members: &Members<'_>) -> Option<String> {
    let text = |members: &Members<'_>, name: &str| {
        members.get(name).and_then(|raw| json::string(raw.get())).map(Cow::into_owned)
    };
    let inside = |name: &str| {
        let raw = members.get(name)?.get();
        let raw = if json::kind(raw) == Kind::List { json::elements(raw)?.first()?.get() } else { raw };
        text(&json::members(raw)?, "message").or_else(|| json::string(raw).map(Cow::into_owned))
    };
    text(members, "message")
        .or_else(|| text(members, "error"))
        .or_else(|| ["error", "data", "errors"].into_iter().find_map(inside))
}
