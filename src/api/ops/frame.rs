//! The frame of the operator page, and its small pages: signing in, the result of a check, a failure.

use std::fmt::Write as _;

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::texts::took;
use crate::api::docs::escaped;
use crate::api::layers::OPS_POLICY;
use crate::api::problem::{headers, status, title};
use crate::domain::{CredentialId, Failure, FailureKind};
use crate::gateway::credentials::CheckOutcome;
use crate::gateway::tenants::TenantRecord;

/// A page. `body` is HTML.
pub(super) struct OpsFrame {
    pub(super) title: &'static str,
    /// The way from the page to the root of the gateway: empty, or `../`.
    pub(super) up: &'static str,
    /// After how many seconds the browser loads it again.
    pub(super) refresh: Option<u32>,
    pub(super) body: String,
}

impl OpsFrame {
    fn html(&self) -> String {
        let Self { title, up, refresh, body } = self;
        let refresh = refresh.map_or_else(String::new, |seconds| {
            format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n")
        });
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{refresh}\
             <title>{title} · contacts-gateway</title>\n\
             <link rel=\"icon\" href=\"{up}docs/assets/icon.svg\">\n\
             <link rel=\"stylesheet\" href=\"{up}docs/assets/pages.css\">\n\
             <link rel=\"stylesheet\" href=\"{up}docs/assets/ops.css\">\n</head>\n<body>\n<header class=\"top\">\n\
             <a class=\"name\" href=\"{up}ops\"><img src=\"{up}docs/assets/icon.svg\" alt=\"\"><span>contacts-gateway</span></a>\n\
             <nav><a href=\"{up}ops\" aria-current=\"page\">Operator</a><a href=\"{up}docs/guide/operating\">Guide</a>\
             <a href=\"{up}docs/errors\">Errors</a></nav>\n</header>\n<main class=\"ops\">\n{body}</main>\n</body>\n</html>\n"
        )
    }

    pub(super) fn respond(&self, status: StatusCode) -> Response {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, OPS_POLICY),
            // Otherwise browsers send `Origin: null` with the forms.
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        (status, headers, Html(self.html())).into_response()
    }
}

/// A table in a box of its own, which scrolls on narrow screens. `head` and `rows` are HTML.
pub(super) fn scrolled(label: &str, head: &str, rows: &str) -> String {
    scrolled_as(label, "", head, rows)
}

/// The same with a class for the table.
pub(super) fn scrolled_as(label: &str, class: &str, head: &str, rows: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\">\n<table{class}>\n<tr>{head}</tr>\n{rows}</table>\n</div>\n"
    )
}

/// The page of a gateway without an admin token.
pub(super) fn unavailable() -> OpsFrame {
    let body = "<h1>Operator page</h1>\n<p class=\"lead\">This gateway has no admin token, so nobody can sign in.</p>\n\
                <p>Set <code>GATEWAY_ADMIN_TOKEN</code> (or <code>GATEWAY_ADMIN_TOKEN_FILE</code>) to a random text of at least \
                16 characters, such as the output of <code>openssl rand -hex 24</code>, and restart the gateway. The token also \
                opens <code>/admin</code>.</p>\n";
    OpsFrame { title: "Operator page", up: "", refresh: None, body: body.to_owned() }
}

/// The form to sign in, with a note above it.
pub(super) fn sign_in_form(up: &'static str, note: Option<&str>) -> OpsFrame {
    let note = note
        .map_or_else(String::new, |note| format!("<p class=\"note\" role=\"alert\">{}</p>\n", escaped(note)));
    let body = format!(
        "<h1>Operator page</h1>\n{note}<form class=\"sign-in\" method=\"post\" action=\"{up}ops/sign-in\">\n\
         <label for=\"token\">Admin token</label>\n\
         <input type=\"text\" name=\"user\" value=\"operator\" autocomplete=\"username\" readonly hidden>\n\
         <input type=\"password\" id=\"token\" name=\"token\" required autofocus autocomplete=\"current-password\">\n\
         <p class=\"hint\">The value of <code>GATEWAY_ADMIN_TOKEN</code>. You stay signed in for 30 minutes.</p>\n\
         <button class=\"button\">Sign in</button>\n</form>\n"
    );
    OpsFrame { title: "Sign in", up, refresh: None, body }
}

/// What a check found.
pub(super) fn check_result(tenant: &TenantRecord, id: &CredentialId, checked: &CheckOutcome) -> OpsFrame {
    let mut body = format!(
        "<h1>Check</h1>\n<p class=\"lead\">Credential <code>{}</code> of tenant {}</p>\n",
        escaped(id.as_str()),
        escaped(&tenant.name)
    );
    let time = took(checked.took);
    // Writing to a string does not fail.
    let _ = match &checked.outcome {
        Ok(_) => {
            writeln!(body, "<p><span class=\"badge yes\">works</span> The CRM accepted it, after {time}.</p>")
        }
        Err(failure) => {
            let code = failure.kind.code();
            // Without a status, the title says what failed.
            let status = failure.upstream.and_then(|upstream| upstream.status);
            let cause =
                status.map_or_else(String::new, |status| format!(" The CRM responded with status {status}."));
            writeln!(
                body,
                "<p><span class=\"badge upstream\">failed</span> <a href=\"../docs/errors/{code}\"><code>{code}</code></a> \
                 {}, after {time}.{cause}</p>",
                escaped(title(failure.kind))
            )
        }
    };
    body.push_str("<p><a class=\"button\" href=\"../ops#credentials\">Back to the operator page</a></p>\n");
    OpsFrame { title: "Check", up: "../", refresh: None, body }
}

/// A failure. `up` is the way from its path to the root of the gateway.
pub(super) fn failure(up: &'static str, failure: &Failure) -> Response {
    let code = failure.kind.code();
    let heading = match failure.kind {
        // Its title speaks of a key.
        FailureKind::InsufficientScope => "Not allowed",
        kind => title(kind),
    };
    let body = format!(
        "<h1>{}</h1>\n<p class=\"note\" role=\"alert\">{}</p>\n\
         <p>Code: <a href=\"{up}docs/errors/{code}\"><code>{code}</code></a></p>\n\
         <p><a class=\"button\" href=\"{up}ops\">Back to the operator page</a></p>\n",
        escaped(heading),
        escaped(&failure.detail),
    );
    let mut response = OpsFrame { title: "Failed", up, refresh: None, body }.respond(status(failure.kind));
    response.headers_mut().extend(headers(failure));
    response
}
