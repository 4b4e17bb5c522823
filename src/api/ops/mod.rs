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
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};

use self::frame::{check_result, sign_in_form, unavailable};
use self::overview::page;
use self::parameters::OpsParameters;
use super::AppState;
use super::docs::is_browser;
use super::extract::{Context, Query, note_refusal, request_id, request_record, throttled};
use super::problem::Raised;
use crate::domain::{Actor, CredentialId, Failure, FailureKind, Principal, RequestRecord, Result, TenantId};

/// The routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ops", get(show))
        .route("/ops/", get(redirect_to_page))
        .route("/ops/sign-in", get(redirect_to_page).post(sign_in))
        .route("/ops/sign-out", get(redirect_to_page).post(sign_out))
        .route("/ops/check", get(redirect_to_page).post(check))
}

/// The page's links are relative to the path without the slash. A GET of a form's address comes from a user who reopens it; it leads to
/// the page.
async fn redirect_to_page() -> Redirect {
    Redirect::to("../ops")
}

/// Renders failures under /ops as HTML pages for browsers. Internal failures stay problems, because `envelope` logs and redacts them.
pub(super) async fn failures_as_pages(request: Request, next: Next) -> Response {
    let rest = request.uri().path().strip_prefix("/ops");
    let up = match rest {
        Some("") => Some(""),
        Some(rest) if rest.starts_with('/') && !rest[1..].contains('/') => Some("../"),
        _ => None,
    };
    let Some(up) = up.filter(|_| is_browser(request.headers())) else { return next.run(request).await };
    let record = request.extensions().get::<RequestRecord>().cloned().unwrap_or_default();
    let response = next.run(request).await;
    let raised = response.extensions().get::<Raised>();
    let Some(Raised(failure)) = raised.filter(|raised| raised.0.kind != FailureKind::Internal) else {
        return response;
    };
    record.note_failure(failure);
    frame::failure(up, failure)
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

/// Opens a session if the form has the admin token. A wrong token gets 403, not 401: a 401 requires `WWW-Authenticate` (RFC 9110,
/// 15.5.2), and this form uses no such scheme.
async fn sign_in(State(state): State<AppState>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    session::check_same_site(&parts.headers)?;
    let form = form::read(&parts, body).await?;
    let token = form.field("token").trim();
    let session = match throttled(&parts, &state, async || state.authenticator.sign_in(token)).await {
        Ok(session) => session,
        Err(failure) if failure.kind == FailureKind::Unauthenticated => {
            note_refusal(&parts, &state, &failure);
            request_record(&parts).note_failure(&failure);
            let note = "This is not the admin token of this gateway.";
            return Ok(sign_in_form("../", Some(note)).respond(StatusCode::FORBIDDEN));
        }
        Err(failure) => return Err(failure),
    };
    request_record(&parts).note_operator();
    let actor = Actor { principal: Principal::Operator, request_id: request_id(&parts) };
    let _ = state.gateway.audit.signed_in(&actor).await;
    let cookie = session::cookie(&session, session::is_https(&parts.headers));
    Ok(([(http::header::SET_COOKIE, cookie)], Redirect::to("../ops")).into_response())
}

/// Ends the session in this browser.
async fn sign_out(headers: HeaderMap) -> Result<Response> {
    session::check_same_site(&headers)?;
    let gone = session::ended_cookie(session::is_https(&headers));
    Ok(([(http::header::SET_COOKIE, gone)], Redirect::to("../ops")).into_response())
}

/// Checks a credential with its CRM.
async fn check(State(state): State<AppState>, context: Context, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    session::check_same_site(&parts.headers)?;
    if !session::is_open(&state, &parts.headers) {
        let note = "The session has ended. Nothing was checked. Sign in again.";
        return Ok(sign_in_form("../", Some(note)).respond(StatusCode::FORBIDDEN));
    }
    request_record(&parts).note_operator();
    let form = form::read(&parts, body).await?;
    // First, so that the audit names no tenant that does not exist.
    let tenant = state.gateway.tenants.get(&TenantId::from(form.field("tenant"))).await?;
    let id = CredentialId::from(form.field("credential"));
    let context = context.0.of(&tenant.id);
    let found = state.gateway.credentials.check_as_operator(&context, &tenant.id, &id).await;
    let found = found.map_err(|failure| match failure.kind {
        // The gateway's own detail speaks of an API key.
        kind @ FailureKind::CredentialNotFound => {
            Failure::new(kind, "This tenant has no credential with this id.")
        }
        _ => failure,
    })?;
    Ok(check_result(&tenant, &id, &found).respond(StatusCode::OK))
}
