//! The table: each fault, and what list, get, create and update answer under it.
//!
//! Unless a row says "once", every call of the operation's own kind meets the fault: for list and get the read itself, for
//! writes the write, while the reads around it go well. `x3` counts those calls; a retry of a read makes at most three.
//!
//! What the cells follow:
//!
//! - A read is repeated where the CRM may have hiccuped (5xx, broken line, 429 that fits), not where it talks nonsense.
//! - A create is sent once. Where its answer is lost or 5xx, one with a key is looked for: found, it is 200; not found, 504
//!   `outcome_unknown`, as is every one without a key. A complete 2xx that cannot be read is read back, key or not.
//! - An update whose answer is lost or 5xx is judged by what the CRM holds, and sent once more where that is not as asked.
//! - What the CRM refuses, or what never reached it, says so and has done nothing.

use contacts_gateway::simulators::{FaultKind, Shape};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

/// What goes wrong.
pub(crate) enum Wrong {
    /// For every call of the kind.
    Always(FaultKind),
    /// For the first one only.
    RequestIdentity(FaultKind),
    /// The CRM is reached over TLS with this certificate of the fixtures.
    Tls(&'static str),
    /// Nobody listens.
    Nobody,
}

/// One fault, the time each operation has, in milliseconds, and the cells: list, get, create with a key, create without,
/// update.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) wrong: Wrong,
    pub(crate) deadline: u64,
    pub(crate) cells: [&'static str; 5],
}

/// Time enough for every retry.
const AMPLE: u64 = 6_000;
/// Time that a slow CRM uses up.
const SHORT: u64 = 1_000;

/// `canary` is a place where no redirect may lead.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one line a fault")]
pub(crate) fn rows(canary: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name, wrong, cells| rows.push(Row { name, wrong, deadline: AMPLE, cells });
    let always = Wrong::Always;
    let once = Wrong::RequestIdentity;

    let well      = ["200 x1", "200 x1", "200 x1", "200 x1", "200 x1"];
    // A complete answer that cannot be read: reads fail, writes are read back.
    let nonsense  = ["502 upstream_invalid_response x1", "502 upstream_invalid_response x1", "200 x1", "200 x1", "200 x1"];
    // The write was done and its answer was cut off.
    let cut       = ["502 upstream_invalid_response x3", "502 upstream_invalid_response x3", "200 x1", "504 outcome_unknown x1", "200 x1"];
    // The same, and no repetition of the read would be smaller.
    let huge      = ["502 upstream_invalid_response x1", "502 upstream_invalid_response x1", "200 x1", "504 outcome_unknown x1", "200 x1"];
    let failing   = ["502 upstream_error x3", "502 upstream_error x3", "504 outcome_unknown x1", "504 outcome_unknown x1", "502 upstream_error x2"];
    let hiccup    = ["200 x2", "200 x2", "504 outcome_unknown x1", "504 outcome_unknown x1", "200 x2"];
    let done_5xx  = ["502 upstream_error x3", "502 upstream_error x3", "200 x1", "504 outcome_unknown x1", "200 x1"];
    let redirect  = ["502 upstream_redirected x1"; 5];
    let throttled = ["429 upstream_rate_limited x3", "429 upstream_rate_limited x3", "429 upstream_rate_limited x2", "429 upstream_rate_limited x2", "429 upstream_rate_limited x2"];

    row("latency 50 ms",                        always(FaultKind::Latency { ms: 50 }), well);
    row("latency 400 ms",                       always(FaultKind::Latency { ms: 400 }), well);

    row("429, Retry-After 1, once",             once(limited(Some("1"))), ["200 x2"; 5]);
    row("429, Retry-After 1",                   always(limited(Some("1"))), throttled);
    row("429, Retry-After 3600",                always(limited(Some("3600"))), ["429 upstream_rate_limited x1"; 5]);
    row("429, Retry-After 9999999999",          always(limited(Some("9999999999"))), ["429 upstream_rate_limited x1"; 5]);
    row("429, Retry-After date in 2 s, once",   once(limited(Some(&date_in(2)))), ["200 x2"; 5]);
    row("429, Retry-After date in an hour",     always(limited(Some(&date_in(3600)))), ["429 upstream_rate_limited x1"; 5]);
    row("429, Retry-After date past, once",     once(limited(Some("Wed, 21 Oct 2015 07:28:00 GMT"))), ["200 x2"; 5]);
    row("429, Retry-After garbage, once",       once(limited(Some("soon"))), ["200 x2"; 5]);
    row("429, Retry-After garbage",             always(limited(Some("soon"))), throttled);
    row("429, Retry-After negative, once",      once(limited(Some("-5"))), ["200 x2"; 5]);
    row("429, no Retry-After, once",            once(limited(None)), ["200 x2"; 5]);

    row("500 as JSON",                          always(status(500, JSON)), failing);
    row("502 as JSON",                          always(status(502, JSON)), failing);
    row("503 as JSON",                          always(status(503, JSON)), failing);
    row("504 as JSON",                          always(status(504, JSON)), failing);
    row("500 as JSON, once",                    once(status(500, JSON)), hiccup);
    row("503 with Retry-After 1, once",         once(unavailable("1")), hiccup);
    row("500 as HTML",                          always(page(500, 200)), failing);
    row("502 as HTML",                          always(page(502, 200)), failing);
    row("503 as HTML",                          always(page(503, 200)), failing);
    row("502 as HTML of 2 MiB",                 always(page(502, 2 << 20)), failing);
    row("500 after applying",                   always(FaultKind::AppliedThen { status: 500 }), done_5xx);
    row("502 after applying",                   always(FaultKind::AppliedThen { status: 502 }), done_5xx);
    row("503 after applying",                   always(FaultKind::AppliedThen { status: 503 }), done_5xx);
    row("504 after applying",                   always(FaultKind::AppliedThen { status: 504 }), done_5xx);
    row("502 as HTML after applying",           always(FaultKind::HtmlBody { status: 502 }), done_5xx);

    row("reset before the answer",              always(FaultKind::ResetBeforeReading), ["502 upstream_unreachable x3", "502 upstream_unreachable x3", "504 outcome_unknown x1", "504 outcome_unknown x1", "502 upstream_unreachable x2"]);
    row("reset before the answer, once",        once(FaultKind::ResetBeforeReading), hiccup);
    row("reset after applying",                 always(FaultKind::ResetAfterApplying), ["502 upstream_unreachable x3", "502 upstream_unreachable x3", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    // A reset may overtake the bytes before it, so either code is true.
    row("reset after the head",                 always(FaultKind::ResetAfterHead), ["502 upstream_invalid_response|upstream_unreachable x3", "502 upstream_invalid_response|upstream_unreachable x3", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    row("reset within the body",                always(FaultKind::ResetMidBody), ["502 upstream_invalid_response|upstream_unreachable x3", "502 upstream_invalid_response|upstream_unreachable x3", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    row("reset after the whole answer",         always(FaultKind::AnsweredThenReset), well);
    row("whole answer, line left open",         always(FaultKind::AnsweredThenSilent), well);
    row("body cut off",                         always(FaultKind::TruncatedBody), cut);
    row("body cut off, once",                   once(FaultKind::TruncatedBody), ["200 x2", "200 x2", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    row("Content-Length too large",             always(FaultKind::WrongContentLength { by: 10 }), cut);
    row("Content-Length too small",             always(FaultKind::WrongContentLength { by: -10 }), nonsense);
    row("cut inside a chunk",                   always(FaultKind::CutChunk), cut);
    row("half of the JSON, well framed",        always(FaultKind::CutJson), nonsense);
    row("nobody listens",                       Wrong::Nobody, ["502 upstream_unreachable x0"; 5]);

    row("JSON called text/html",                always(typed(Some("text/html"))), nonsense);
    row("JSON called text/plain",               always(typed(Some("text/plain"))), nonsense);
    row("JSON without a type",                  always(typed(None)), well);
    row("HTML page under 200",                  always(FaultKind::HtmlBody { status: 200 }), nonsense);
    row("100 MB, declared",                     always(FaultKind::Oversized { bytes: 100_000_000, declared: true }), huge);
    row("100 MB, undeclared",                   always(FaultKind::Oversized { bytes: 100_000_000, declared: false }), huge);
    row("gzip bomb of 10 GB",                   always(FaultKind::GzipBomb { bytes: 10_000_000_000 }), huge);
    row("packed with gzip",                     always(FaultKind::Gzip { layers: 1 }), well);
    row("packed twice, told once",              always(FaultKind::Gzip { layers: 2 }), nonsense);

    row("302 to another host",                  always(FaultKind::Redirect { status: 302, location: canary.to_owned() }), redirect);
    row("307 to another host",                  always(FaultKind::Redirect { status: 307, location: canary.to_owned() }), redirect);
    row("301 to the metadata service",          always(FaultKind::Redirect { status: 301, location: "http://169.254.169.254/latest/".to_owned() }), redirect);
    row("308 to the same host",                 always(FaultKind::Redirect { status: 308, location: "/api/app/me".to_owned() }), redirect);

    row("bad UTF-8",                            always(FaultKind::Bytes { base64: "eyJkYXRhIjpbeyJfaWQiOiL/In1dfQ==".to_owned() }), nonsense);
    row("byte order mark",                      always(around("\u{feff}", "")), well);
    row("NUL after the JSON",                   always(around("", "\0")), nonsense);
    row("garbage after the JSON",               always(around("", "}}")), nonsense);
    row("duplicate members",                    always(text(r#"{"_id":"a","_id":"b","data":[],"data":[]}"#)), nonsense);
    row("depth 10 000",                         always(text(&format!(r#"{{"_id":"a","data":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)))), nonsense);
    row("lone surrogate in a name",             always(text(r#"{"data":[{"_id":"a","firstname":"\udfff","firstName":"\udfff"}]}"#)), nonsense);

    row("records of nothing but an id",         always(FaultKind::Reshape { how: Shape::OnlyIds }), well);
    row("unknown members",                      always(FaultKind::Reshape { how: Shape::MoreFields }), well);
    row("null for every field",                 always(FaultKind::Reshape { how: Shape::Nulls }), well);
    row("numbers as texts",                     always(FaultKind::Reshape { how: Shape::NumbersAsTexts }), well);
    row("one value for a list",                 always(FaultKind::Reshape { how: Shape::ValuesForLists }), well);
    row("a list for a text",                    always(FaultKind::Reshape { how: Shape::ListsForTexts }), well);
    row("1e400",                                always(FaultKind::Reshape { how: Shape::BeyondNumbers }), nonsense);
    row("2^63 and thirty digits",                     always(FaultKind::Reshape { how: Shape::HugeNumbers }), well);
    // No record at a path that is documented nowhere: the setting is to be mended.
    row("records without an id",                always(FaultKind::Reshape { how: Shape::NoIds }), ["502 upstream_invalid_response x1", "aptly: 502 upstream_invalid_response x1; pipeline: 501 operation_unsupported x1", "200 x1", "200 x1", "200 x1"]);

    row("success: false",                       always(FaultKind::SuccessFalse { message: "Not today".to_owned() }), ["422 upstream_rejected x1"; 5]);
    row("empty 200",                            always(FaultKind::EmptyAnswer), nonsense);
    row("204",                                  always(FaultKind::NoContent), nonsense);
    row("401",                                  always(status(401, JSON)), ["424 upstream_credential_rejected x1"; 5]);
    row("403",                                  always(status(403, JSON)), ["424 upstream_permission_denied x1"; 5]);
    row("404",                                  always(status(404, JSON)), ["502 upstream_error x1", "404 contact_not_found x1", "502 upstream_error x1 final", "502 upstream_error x1", "404 contact_not_found x1"]);
    // Of an id that it does not like, Aptly may say so with 400.
    row("400",                                  always(status(400, JSON)), ["422 upstream_rejected x1", "aptly: 404 contact_not_found x1; pipeline: 422 upstream_rejected x1", "422 upstream_rejected x1", "422 upstream_rejected x1", "422 upstream_rejected x1"]);
    row("409",                                  always(status(409, JSON)), ["502 upstream_error x1", "502 upstream_error x1", "409 contact_exists x1", "409 contact_exists x1", "409 contact_exists x1"]);
    row("422",                                  always(status(422, JSON)), ["422 upstream_rejected x1"; 5]);

    row("ten 103s before the answer",           always(FaultKind::InformationalFlood { count: 10 }), well);
    row("1000 103s before the answer",          always(FaultKind::InformationalFlood { count: 1000 }), well);
    row("2000 headers",                         always(FaultKind::ManyHeaders { count: 2000 }), ["502 upstream_invalid_response|upstream_unreachable x1-3", "502 upstream_invalid_response|upstream_unreachable x1-3", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    row("a header of 1 MiB",                    always(FaultKind::HugeHeader { bytes: 1 << 20 }), ["502 upstream_invalid_response|upstream_unreachable x1-3", "502 upstream_invalid_response|upstream_unreachable x1-3", "200 x1", "504 outcome_unknown x1", "200 x1"]);
    row("TLS, expired",                         Wrong::Tls("expired"), ["502 upstream_tls x0"; 5]);
    row("TLS, for another host",                Wrong::Tls("wrong_host"), ["502 upstream_tls x0"; 5]);
    row("TLS, self-signed",                     Wrong::Tls("self_signed"), ["502 upstream_tls x0"; 5]);
    row("TLS as it should be",                  Wrong::Tls("valid"), well);
    row("applied twice, answered once",         always(FaultKind::AppliedTwice), well);

    let never   = ["504 upstream_timeout x1", "504 upstream_timeout x1", "504 outcome_unknown x1", "504 outcome_unknown x1", "504 upstream_timeout x1-2"];
    // It was done: whoever still has a moment for a look sees it.
    let unheard = ["504 upstream_timeout x1", "504 upstream_timeout x1", "504 outcome_unknown x1 or 200 x1", "504 outcome_unknown x1", "504 upstream_timeout x1-2 or 200 x1-2"];
    let mut slowly = |name, kind, cells| rows.push(Row { name, wrong: Wrong::Always(kind), deadline: SHORT, cells });
    slowly("latency beyond the deadline",       FaultKind::Latency { ms: 3_000 }, never);
    slowly("never an answer",                   FaultKind::NeverAnswer, never);
    slowly("applied, answered too late",        FaultKind::LateAnswer { ms: 3_000 }, unheard);
    slowly("applied, never an answer",          FaultKind::AppliedNeverAnswers, unheard);
    slowly("a byte and a pause, and again",     FaultKind::Drip { ms: 600 }, unheard);
    slowly("one byte, then silence",            FaultKind::Stall, unheard);
    rows
}

/// An error body as both CRMs spell one.
const JSON: &str = r#"{"success":false,"error":"Error","message":"Something is wrong"}"#;

fn status(code: u16, body: &str) -> FaultKind {
    FaultKind::Status {
        code,
        body: body.to_owned(),
        content_type: "application/json".to_owned(),
        headers: vec![],
    }
}

fn unavailable(retry_after: &str) -> FaultKind {
    let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
    FaultKind::Status {
        code: 503,
        body: JSON.to_owned(),
        content_type: "application/json".to_owned(),
        headers,
    }
}

/// An HTML page of about so many bytes.
fn page(code: u16, bytes: usize) -> FaultKind {
    let body = format!("<!DOCTYPE html><html><body>{}</body></html>", "sorry ".repeat(bytes / 6));
    FaultKind::Status { code, body, content_type: "text/html".to_owned(), headers: vec![] }
}

fn limited(retry_after: Option<&str>) -> FaultKind {
    FaultKind::TooManyRequests { retry_after: retry_after.map(str::to_owned) }
}

/// A moment so many seconds from when the case is made; see [`DATE_IN`].
fn date_in(seconds: u32) -> String {
    format!("{DATE_IN}{seconds}")
}

/// Stands before seconds for which the case puts an HTTP date: the table is made long before its last case runs.
pub(crate) const DATE_IN: &str = "date in ";

/// The fault with its dates put in.
pub(crate) fn dated(kind: &FaultKind) -> FaultKind {
    match kind {
        FaultKind::TooManyRequests { retry_after: Some(value) } if value.starts_with(DATE_IN) => {
            let seconds = value.trim_start_matches(DATE_IN).parse().unwrap();
            let at = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
            let printer = rfc2822::DateTimePrinter::new();
            FaultKind::TooManyRequests {
                retry_after: Some(printer.timestamp_to_rfc9110_string(&at).unwrap()),
            }
        }
        other => other.clone(),
    }
}

fn typed(value: Option<&str>) -> FaultKind {
    FaultKind::ContentType { value: value.map(str::to_owned) }
}

fn text(text: &str) -> FaultKind {
    FaultKind::Body { text: text.to_owned() }
}

fn around(before: &str, after: &str) -> FaultKind {
    FaultKind::Around { before: before.to_owned(), after: after.to_owned() }
}
