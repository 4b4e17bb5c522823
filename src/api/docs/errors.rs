//! `/docs/errors` and `/docs/errors/{code}`: the meaning of each problem, its origin, and how to fix it.

use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use http::header;

use super::remediation::remediation;
use crate::api::extract::{NoParameters, Query};
use crate::api::layers::DOCS_POLICY;
use crate::api::problem::{status, title};
use crate::domain::{Failure, FailureKind, Origin, Result, Retryable};

/// The list of all problems, with links to their pages.
pub(in crate::api) async fn errors(_: Query<NoParameters>) -> Response {
    let row = |&kind: &FailureKind| {
        let (code, status, title) = (kind.code(), status(kind).as_u16(), title(kind));
        format!("<li><a href=\"/docs/errors/{code}\"><code>{code}</code></a> ({status}): {title}</li>")
    };
    let rows: Vec<String> = FailureKind::ALL.iter().map(row).collect();
    page("Problems", &format!("<ul>\n{}\n</ul>", rows.join("\n")))
}

/// One kind.
pub(in crate::api) async fn error(Path(code): Path<String>, _: Query<NoParameters>) -> Result<Response> {
    let kind = FailureKind::ALL
        .iter()
        .copied()
        .find(|kind| kind.code() == code)
        .ok_or_else(|| Failure::new(FailureKind::RouteNotFound, "Unknown problem code."))?;
    Ok(page(
        title(kind),
        &format!(
            "<p>Code <code>{code}</code>, status {}.</p>\n<h2>Origin</h2>\n<p>{}</p>\n<h2>What to do</h2>\n<p>{}</p>\n\
             <h2>Retry</h2>\n<p>{}</p>\n<p><a href=\"/docs/errors\">All problems</a></p>",
            statuses(&code),
            whose(kind.origin()),
            remediation(kind),
            again(kind),
        ),
    ))
}

/// The statuses of a code: `quota_exceeded` has two.
fn statuses(code: &str) -> String {
    let kinds = FailureKind::ALL.iter().filter(|kind| kind.code() == code);
    kinds.map(|&kind| status(kind).as_str().to_owned()).collect::<Vec<_>>().join(" or ")
}

const fn whose(origin: Origin) -> &'static str {
    match origin {
        Origin::Caller => "The caller: the request or the permissions of the key must change.",
        Origin::Gateway => "The gateway.",
        Origin::Upstream => {
            "The CRM, or the connection to it. <code>upstream</code> names the CRM and the status of its response."
        }
    }
}

const fn again(kind: FailureKind) -> &'static str {
    match kind.retryable() {
        Retryable::No if matches!(kind, FailureKind::QuotaExceeded) => {
            "Status 429: yes, after the time in <code>Retry-After</code>. Status 422: no, unless something is deleted first."
        }
        Retryable::No if matches!(kind, FailureKind::OutcomeUnknown) => {
            "With the same <code>Idempotency-Key</code>, yes: nothing is written twice. Without one, only after you have checked in the CRM."
        }
        Retryable::No => "No: the same request fails again until the cause is fixed.",
        Retryable::Yes => "Yes, after the time in <code>Retry-After</code>, if present.",
        Retryable::SameKeyOnly => "Only with the same <code>Idempotency-Key</code>.",
    }
}

/// Builds a page. Both texts are constants of the gateway, so they need no HTML escaping.
fn page(heading: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{heading}</title>\n\
         <style>body{{font-family:sans-serif;max-width:40em;margin:2em auto;padding:0 1em;line-height:1.5}}</style>\n\
         <h1>{heading}</h1>\n{body}\n</html>\n"
    );
    ([(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(html)).into_response()
}
