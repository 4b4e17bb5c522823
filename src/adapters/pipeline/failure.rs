//! What the pipeline CRM's refusals mean, `success: false` under 200 among them.

use std::borrow::Cow;

use super::SPEC;
use crate::adapters::refusal;
use crate::domain::{Effect, Failure, FailureKind, FieldFault, Result};
use crate::json::{self, Kind, Members};
use crate::upstream::Reply;

/// Words that tell a duplicate where the status does not.
const DUPLICATE: &[&str] = &["exist", "duplicate", "already", "unique"];

/// Words of messages and the unified member they speak of.
const POINTERS: &[(&str, &str)] = &[
    ("phone", "/phoneNumbers"),
    ("email", "/emailAddresses"),
    ("pipelinestage", "/remoteFields/pipelineStage"),
    ("pipeline", "/remoteFields/pipelineId"),
    ("stage", "/remoteFields/status"),
    ("status", "/remoteFields/status"),
];

/// Passes a reply with 2xx on, unless it says `success: false`; any other is the failure it means.
pub(super) fn check(reply: Reply) -> Result<Reply> {
    let members = reply.json().ok();
    let members = members.as_deref().and_then(json::members);
    let refused =
        members.as_ref().and_then(|members| members.get("success")).is_some_and(|raw| raw.get() == "false");
    if reply.is_success() && !refused {
        return Ok(reply);
    }
    let message = members.as_ref().and_then(message);
    Err(failure(&reply, message.as_deref()))
}

fn failure(reply: &Reply, message: Option<&str>) -> Failure {
    // A refusal under 200 means what a 422 would.
    let judged = if reply.is_success() { &Reply { status: 422, ..reply.clone() } } else { reply };
    let mut failure = refusal::by_status(judged, message).with_upstream(SPEC.provider, Some(reply.status));
    let message = message.unwrap_or_default().to_lowercase();
    if failure.kind == FailureKind::UpstreamRejected {
        if DUPLICATE.iter().any(|word| message.contains(word)) {
            failure.kind = FailureKind::ContactExists;
        } else if message.contains("not found") {
            failure.kind = FailureKind::ContactNotFound;
        } else {
            let found = POINTERS.iter().find(|(word, _)| message.contains(word));
            let fault = |(_, pointer): &(&str, &str)| {
                FieldFault::member(*pointer, "upstream_rejected", refusal::presentable(&message))
            };
            failure.faults = found.map(fault).into_iter().collect();
        }
    }
    failure
}

/// A list that is not there is no missing contact but a wrong address.
pub(super) fn check_list(reply: Reply) -> Result<Reply> {
    check(reply).map_err(|failure| match failure.kind {
        FailureKind::ContactNotFound => Failure {
            kind: FailureKind::UpstreamError,
            detail: "The CRM has no contacts list at this base URL; check the credential's baseUrl.".into(),
            ..failure
        },
        _ => failure,
    })
}

/// The path that reads one contact is documented nowhere: where it is not there, the setting is to be mended.
pub(super) fn check_get(reply: Reply) -> Result<Reply> {
    check_path(reply, "getPath")
}

/// The same for a path that removes one contact.
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

/// The CRM has no such path, or one that answers no record.
pub(super) fn unusable(setting: &str) -> Failure {
    let detail = format!(
        "The pipeline CRM does not answer a contact at the path of the credential's setting `{setting}`; mend the setting."
    );
    Failure::new(FailureKind::OperationUnsupported, detail).with_effect(Effect::None)
}

/// The contact is not there.
pub(super) fn not_found() -> Failure {
    Failure::new(FailureKind::ContactNotFound, "The pipeline CRM knows no contact of this id.")
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
