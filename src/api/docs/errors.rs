//! `/docs/errors` and `/docs/errors/{code}`: what each problem means, whose fault it is, what to do, and how to handle it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::DOCUMENT;
use super::handling::handling;
use super::markdown::{code_block, html_of, wrapped_block};
use super::page::{DocsPage, Section, escaped, is_browser};
use super::remediation::remediation;
use crate::api::openapi::problems::example;
use crate::api::problem::{status, title};
use crate::domain::{Failure, FailureKind, Origin, Result, Retryable, suggestion};

/// The list of all problems.
pub(in crate::api) async fn errors() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(index);
    let page = DocsPage {
        section: Section::Errors,
        up: "",
        title: "Errors",
        side: statuses_side("", None),
        body: PAGE.clone(),
    };
    page.respond(StatusCode::OK)
}

/// One code.
pub(in crate::api) async fn error(headers: HeaderMap, Path(code): Path<String>) -> Result<Response> {
    let kinds: Vec<FailureKind> = of_code(&code).collect();
    let (status, title, body) = if let [first, ..] = kinds[..] {
        (StatusCode::OK, first.code(), article(first, &kinds))
    } else if is_browser(&headers) {
        (StatusCode::NOT_FOUND, "Unknown code", unknown(&code))
    } else {
        return Err(Failure::new(FailureKind::RouteNotFound, "Unknown problem code."));
    };
    let side = statuses_side("../", Some(&code));
    Ok(DocsPage { section: Section::Errors, up: "../", title, side, body }.respond(status))
}

/// The kinds of a code: `quota_exceeded` has two, with one status each.
fn of_code(code: &str) -> impl Iterator<Item = FailureKind> {
    FailureKind::ALL.iter().copied().filter(move |kind| kind.code() == code)
}

/// The kinds by status, and by origin where they share it.
fn by_status() -> Vec<(StatusCode, Vec<FailureKind>)> {
    let mut kinds = FailureKind::ALL.to_vec();
    kinds.sort_by_key(|kind| (status(*kind).as_u16(), kind.origin().as_str()));
    let groups = kinds.chunk_by(|one, other| status(*one) == status(*other));
    groups.filter_map(|group| Some((status(*group.first()?), group.to_vec()))).collect()
}

fn index() -> String {
    let mut body = "<h1>Errors</h1>\n<p class=\"lead\">Every failure is <code>application/problem+json</code> with a stable \
                    <code>code</code>. <a href=\"guide/errors\">How to handle errors</a> has the short version.</p>\n\
                    <form class=\"filter\" role=\"search\">\n\
                    <input type=\"search\" id=\"search\" placeholder=\"Search codes and texts\" aria-label=\"Search errors\" autocomplete=\"off\">\n"
        .to_owned();
    body.push_str("<div class=\"origins\" role=\"group\" aria-label=\"Whose fault\">");
    for (word, label) in [("", "all"), ("caller", "caller"), ("gateway", "gateway"), ("upstream", "CRM")] {
        let pressed = word.is_empty();
        // Writing to a string does not fail.
        let _ = write!(
            body,
            "<button type=\"button\" data-origin=\"{word}\" aria-pressed=\"{pressed}\">{label}</button>"
        );
    }
    body.push_str("</div>\n</form>\n<p id=\"none\" hidden>No error matches.</p>\n");
    for (status, kinds) in by_status() {
        let (number, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
        let _ = write!(
            body,
            "<section class=\"status\">\n<h2 id=\"{number}\">{number} {reason}</h2>\n<ul class=\"codes\">\n"
        );
        for kind in kinds {
            let (code, whose) = (kind.code(), kind.origin().as_str());
            let search = format!("{} {}", remediation(kind).happened, remediation(kind).fix);
            let _ = writeln!(
                body,
                "<li data-origin=\"{whose}\" data-search=\"{}\"><a href=\"errors/{code}\"><code>{code}</code></a> \
                 <span class=\"title\">{}</span> {}</li>",
                escaped(&search.to_lowercase()),
                escaped(title(kind)),
                badge(kind.origin()),
            );
        }
        body.push_str("</ul>\n</section>\n");
    }
    body
}

/// All codes by status; `up` leads to `/docs/`.
fn statuses_side(up: &str, current: Option<&str>) -> String {
    let mut side = String::new();
    for (status, kinds) in by_status() {
        let number = status.as_u16();
        let _ = write!(side, "<h2>{number}</h2>\n<ul>\n"); // Writing to a string does not fail.
        for code in kinds.iter().map(|kind| kind.code()) {
            let mark = if current == Some(code) { " aria-current=\"page\"" } else { "" };
            let _ = writeln!(
                side,
                "<li><a href=\"{up}errors/{code}\"{mark}>{}</a></li>",
                code.replace('_', "_<wbr>")
            );
        }
        side.push_str("</ul>\n");
    }
    side
}

fn article(kind: FailureKind, kinds: &[FailureKind]) -> String {
    let (code, advice) = (kind.code(), remediation(kind));
    let statuses: Vec<String> = kinds.iter().map(|kind| status(*kind).to_string()).collect();
    let mut body = format!(
        "<p class=\"back\"><a href=\"../errors\">All errors</a></p>\n<h1 class=\"code\">{}</h1>\n<p class=\"lead\">{}.</p>\n\
         <p class=\"facts\"><span class=\"badge\">{}</span> {} {}</p>\n\
         <h2>What happened</h2>\n{}<h2>Whose fault</h2>\n<p>{}</p>\n<h2>What to do</h2>\n{}<p>{}</p>\n",
        code.replace('_', "_<wbr>"),
        escaped(title(kind)),
        statuses.join(" or "),
        badge(kind.origin()),
        again_badge(kind),
        html_of(advice.happened),
        whose(kind),
        html_of(advice.fix),
        again(kind),
    );
    body.push_str("<h2>Example</h2>\n");
    for &kind in kinds {
        body.push_str(&wrapped_block(&response(kind)));
    }
    let (python, typescript) = handling(kind);
    let _ = write!(
        body,
        "<h2>Handle it in code</h2>\n<h3>Python</h3>\n{}<h3>TypeScript</h3>\n{}",
        code_block(python),
        code_block(typescript)
    );
    if !advice.related.is_empty() {
        let links =
            advice.related.iter().map(|kind| format!("<a href=\"{0}\"><code>{0}</code></a>", kind.code()));
        let _ = write!(body, "<h2>Related</h2>\n<p>{}</p>\n", links.collect::<Vec<_>>().join(" · "));
    }
    body + &operations(code)
}

/// A real response of this kind.
fn response(kind: FailureKind) -> String {
    let (status, example) = (status(kind), example(kind));
    let mut text =
        format!("HTTP/1.1 {} {}\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in &example.headers {
        let _ = writeln!(text, "{name}: {value}"); // Writing to a string does not fail.
    }
    let json = serde_json::to_string_pretty(&example.body).unwrap_or_default();
    format!("{text}content-type: application/problem+json\n\n{json}")
}

/// The operations that may respond with the code, from the OpenAPI document.
fn operations(code: &str) -> String {
    static PARSED: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_slice(DOCUMENT.plain()).unwrap_or_default());
    let paths = PARSED["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    let names = |operation: &Value| {
        let responses = operation["responses"].as_object().into_iter().flatten();
        responses
            .map(|(_, response)| &response["content"]["application/problem+json"]["examples"][code])
            .any(|known| !known.is_null())
    };
    let links: Vec<String> = all
        .filter(|(_, _, operation)| names(operation))
        .filter_map(|(path, method, operation)| {
            let (tag, id) = (operation["tags"][0].as_str()?, operation["operationId"].as_str()?);
            let shown = format!("{} {path}", method.to_uppercase());
            Some(format!("<li><a href=\"../#/{tag}/{id}\"><code>{}</code></a></li>", escaped(&shown)))
        })
        .collect();
    if links.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>Operations that may respond with it ({})</summary>\n<ul>\n{}\n</ul>\n</details>\n",
        links.len(),
        links.join("\n")
    )
}

fn unknown(code: &str) -> String {
    let known = suggestion(code, FailureKind::ALL.iter().map(|kind| kind.code()));
    let meant = known.map_or_else(String::new, |code| {
        format!(" Did you mean <a href=\"{code}\"><code>{code}</code></a>?")
    });
    format!(
        "<h1>Unknown code</h1>\n<p class=\"lead\">This gateway has no error code <code>{}</code>.{meant}</p>\n\
         <p>A newer version may have it: compare with the version of the gateway that sent it. \
         <a href=\"../errors\">See all errors.</a></p>\n",
        escaped(code)
    )
}

/// Whose fault it is, as a mark.
pub(in crate::api) fn badge(whose: Origin) -> String {
    let word = whose.as_str();
    let label = if whose == Origin::Upstream { "CRM" } else { word };
    format!("<span class=\"badge {word}\">{label}</span>")
}

fn whose(kind: FailureKind) -> &'static str {
    if kind == FailureKind::ContactChanged {
        return "Nobody's: someone else changed the contact between your read and your write.";
    }
    if FailureKind::CREDENTIAL_REFUSALS.contains(&kind) {
        return "The owner of the CRM account: the secret that the gateway stores, or its user, must change. Your key for the \
                gateway is fine.";
    }
    match kind.origin() {
        Origin::Caller => "The caller: the request, or the permissions of the key, must change.",
        Origin::Gateway => "The gateway or its operator. The request is fine.",
        Origin::Upstream => {
            "The CRM, or the connection to it. <code>upstream</code> names the CRM and the status of its response. Your key \
             for the gateway is fine."
        }
    }
}

/// Whether one of two statuses, or one of two ways to send the request, can be retried.
const fn may_depend(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::QuotaExceeded | FailureKind::OutcomeUnknown)
}

const fn again_badge(kind: FailureKind) -> &'static str {
    match kind.retryable() {
        _ if may_depend(kind) => "<span class=\"badge\">retry: it depends</span>",
        Retryable::No => "<span class=\"badge\">retry: no</span>",
        Retryable::Yes => "<span class=\"badge yes\">retry: yes</span>",
        Retryable::SameKeyOnly => "<span class=\"badge yes\">retry: with the same key</span>",
    }
}

const fn again(kind: FailureKind) -> &'static str {
    match kind.retryable() {
        Retryable::No if matches!(kind, FailureKind::QuotaExceeded) => {
            "<b>Retry</b> a 429 after the time in <code>Retry-After</code>. Retry a 422 only after something is deleted."
        }
        Retryable::No if matches!(kind, FailureKind::OutcomeUnknown) => {
            "<b>Retry</b> with the same <code>Idempotency-Key</code>: nothing is written twice. Without one, retry only after \
             you have checked in the CRM."
        }
        Retryable::No => "<b>Do not retry</b>: the same request fails again until the cause is fixed.",
        Retryable::Yes => "<b>Retry</b> after the time in <code>Retry-After</code>, if present.",
        Retryable::SameKeyOnly => "<b>Retry</b> with the same <code>Idempotency-Key</code> only.",
    }
}
