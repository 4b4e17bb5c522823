//! `/ops`: the operator page, rendered here without any script. It shows whether the gateway is healthy, what fails, for whom
//! and since when, and never a value of a contact or a secret.
//!
//! Every link is relative, so that a proxy may serve the page under a path prefix.

mod chart;
mod failures;
mod form;
mod frame;
mod lists;
mod overview;
mod parameters;
mod session;
mod texts;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};

use self::frame::{OpsFrame, check_result, sign_in_form, unavailable};
use self::overview::page;
use self::parameters::OpsParameters;
use super::AppState;
use super::extract::{Context, Query, note_refusal, request_id, request_record};
use super::problem::status;
use crate::domain::{Actor, CallContext, CredentialId, Failure, FailureKind, Principal, Result, TenantId};

/// The routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ops", get(show))
        .route("/ops/", get(without_slash))
        .route("/ops/sign-in", post(sign_in))
        .route("/ops/sign-out", post(sign_out))
        .route("/ops/check", post(check))
}

/// The links of the page are relative to the path without the slash.
async fn without_slash() -> Redirect {
    Redirect::to("../ops")
}

/// The page, or the form to sign in.
async fn show(State(state): State<AppState>, parameters: Query<OpsParameters>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !state.authenticator.admin_enabled() {
        return unavailable().respond(StatusCode::NOT_FOUND);
    }
    if !session::is_open(&state, &parts.headers) {
        let had_session = session::cookies(&parts.headers).next().is_some();
        let note = had_session.then_some("The session has ended. Sign in again.");
        return sign_in_form("", note).respond(StatusCode::OK);
    }
    request_record(&parts).note_operator();
    page(&state, &parameters.0).await.respond(StatusCode::OK)
}

/// Opens a session for whoever has the admin token.
async fn sign_in(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(failure) = session::check_same_site(&parts.headers) {
        return failed(&parts, &failure);
    }
    let opened = match form::read(&parts, body).await {
        Ok(form) => state.authenticator.sign_in(form.field("token").trim()),
        Err(failure) => Err(failure),
    };
    match opened {
        Ok(session) => {
            request_record(&parts).note_operator();
            let actor = Actor { principal: Principal::Operator, request_id: request_id(&parts) };
            let _ = state.gateway.audit.signed_in(&actor).await;
            let cookie = session::cookie(&session, session::is_https(&parts.headers));
            ([(http::header::SET_COOKIE, cookie)], Redirect::to("../ops")).into_response()
        }
        Err(failure) if failure.kind == FailureKind::Unauthenticated => {
            note_refusal(&parts, &state, &failure);
            request_record(&parts).note_failure(&failure);
            sign_in_form("../", Some("This is not the admin token of this gateway."))
                .respond(status(failure.kind))
        }
        Err(failure) => failed(&parts, &failure),
    }
}

/// Ends the session in this browser.
async fn sign_out(headers: HeaderMap) -> Result<Response> {
    session::check_same_site(&headers)?;
    let gone = session::ended_cookie(session::is_https(&headers));
    Ok(([(http::header::SET_COOKIE, gone)], Redirect::to("../ops")).into_response())
}

/// Checks a credential with its CRM.
async fn check(State(state): State<AppState>, context: Context, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(failure) = session::check_same_site(&parts.headers) {
        return failed(&parts, &failure);
    }
    if !session::is_open(&state, &parts.headers) {
        let note = "The session has ended. Nothing was checked. Sign in again.";
        return sign_in_form("../", Some(note)).respond(StatusCode::UNAUTHORIZED);
    }
    request_record(&parts).note_operator();
    let checked = match form::read(&parts, body).await {
        Ok(form) => checked(&state, context.0, form.field("tenant"), form.field("credential")).await,
        Err(failure) => Err(failure),
    };
    match checked {
        Ok(frame) => frame.respond(StatusCode::OK),
        Err(failure) => failed(&parts, &failure),
    }
}

async fn checked(state: &AppState, context: CallContext, tenant: &str, credential: &str) -> Result<OpsFrame> {
    // First, so that the audit names no tenant that does not exist.
    let tenant = state.gateway.tenants.get(&TenantId::from(tenant)).await?;
    let id = CredentialId::from(credential);
    let context = context.of(&tenant.id);
    let found = state.gateway.credentials.check_as_operator(&context, &tenant.id, &id).await?;
    Ok(check_result(&tenant, &id, &found))
}

/// A page that says what failed. A bug becomes a problem like everywhere, which shows and logs what it may.
fn failed(parts: &http::request::Parts, failure: &Failure) -> Response {
    if failure.kind == FailureKind::Internal {
        return failure.clone().into_response();
    }
    request_record(parts).note_failure(failure);
    frame::failure(failure).respond(status(failure.kind))
}
