//! The responses of contact writes. A response that is too large is shortened, because a completed write must not fail.

use std::sync::Arc;

use http::StatusCode;

use crate::api::extract::IdempotencyKey;
use crate::api::response;
use crate::api::schema::{ContactResponse, DeleteResponse, DryRunResponse, Extent, UpsertResponse};
use crate::domain::{Contact, CredentialId, Failure, RemoteFields, Result, Warning, WarningCode};
use crate::gateway::contacts::{ContactView, DryRunBuilder, ResponseBuilder};
use crate::gateway::writes::StoredResponse;

const ETAG: &str = "etag";

/// The contact, with the `Location` where it can be read.
pub(super) fn created(credential: &CredentialId, keyed: IdempotencyKey) -> ResponseBuilder {
    let credential = credential.clone();
    render_write(keyed, move |shown, extent| {
        let body = ContactResponse::of_write(shown, extent);
        response::written_within(StatusCode::OK, &body, Some(location(&credential, shown)))
    })
}

/// The contact.
pub(super) fn updated(keyed: IdempotencyKey) -> ResponseBuilder {
    render_write(keyed, |shown, extent| {
        let body = ContactResponse::of_write(shown, extent);
        response::written_within(StatusCode::OK, &body, None)
    })
}

/// The contact and the outcome, with the `Location` where the contact can be read.
pub(super) fn upserted(credential: &CredentialId, keyed: IdempotencyKey) -> ResponseBuilder {
    let credential = credential.clone();
    render_write(keyed, move |shown, extent| {
        let body = UpsertResponse::of_write(shown, extent);
        response::written_within(StatusCode::OK, &body, Some(location(&credential, shown)))
    })
}

/// The response of a delete.
pub(super) fn deleted(keyed: IdempotencyKey) -> ResponseBuilder {
    render_write(keyed, |_, _| {
        response::written_within(StatusCode::OK, &DeleteResponse { success: true }, None)
    })
}

/// The calls of a dry run. It is not stored, so it is not shortened.
pub(super) fn planned() -> DryRunBuilder {
    Arc::new(|plan| response::written(StatusCode::OK, &DryRunResponse::of(plan), None))
}

/// A success is rendered by `done`, which returns `None` if it is too large. A rejection by the CRM is rendered as a problem.
fn render_write(
    keyed: IdempotencyKey,
    done: impl Fn(&ContactView, Extent) -> Result<Option<StoredResponse>> + Send + Sync + 'static,
) -> ResponseBuilder {
    Arc::new(move |outcome| match outcome {
        Ok(shown) => {
            let mut stored = shortened(shown, &done)?;
            // A shortened response has it too: the tag identifies the contact, not the body.
            stored.headers.extend(shown.tag.clone().map(|tag| (ETAG.into(), tag)));
            Ok(stored)
        }
        Err(failure) => Ok(response::refused(failure, &keyed)),
    })
}

/// The whole response; if too large, one without `remoteFields`; if still too large, only the ids.
fn shortened(
    shown: &ContactView,
    done: impl Fn(&ContactView, Extent) -> Result<Option<StoredResponse>>,
) -> Result<StoredResponse> {
    if let Some(whole) = done(shown, Extent::Whole)? {
        return Ok(whole);
    }
    if let Some(shorter) = done(&without_remote_fields(shown), Extent::Whole)? {
        return Ok(shorter);
    }
    done(&ids_only(shown), Extent::IdsOnly)?
        .ok_or_else(|| Failure::internal("a response with the ids alone is too large"))
}

fn without_remote_fields(shown: &ContactView) -> ContactView {
    let pointer = "/remoteFields";
    let message =
        "`remoteFields` is left out because the response would be too large. Read the contact by its id.";
    let mut warnings = shown.warnings.clone();
    warnings.retain(|warning| warning.code != WarningCode::Incomplete || warning.pointer != pointer);
    warnings.push(Warning::new(WarningCode::Incomplete, pointer, message));
    let contact = Contact { remote_fields: RemoteFields::default(), ..shown.contact.clone() };
    ContactView { contact, warnings, ..shown.clone() }
}

/// Keeps warnings about the whole contact, and drops those about single fields, which are not shown.
fn ids_only(shown: &ContactView) -> ContactView {
    let message =
        "Only the ids are included because the response would be too large. Read the contact by its id.";
    let whole = shown.warnings.iter().filter(|warning| warning.pointer.is_empty());
    let warnings = whole.cloned().chain([Warning::new(WarningCode::Incomplete, "", message)]).collect();
    let contact = Contact {
        remote_deleted: shown.contact.remote_deleted,
        ..Contact::bare(shown.contact.remote_id.clone())
    };
    ContactView { contact, warnings, ..shown.clone() }
}

fn location(credential: &CredentialId, shown: &ContactView) -> String {
    response::location(&["crm", "contacts", &shown.id], Some(("credentialId", credential.as_str())))
}
