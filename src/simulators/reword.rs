//! Faults that change the content of a response and leave the connection intact.

use base64::Engine as _;

use super::crm::{Crm, SimulatedResponse};
use super::fault_kinds::FaultKind;
use super::{gzip, reshape};

const ERROR_PAGE: &str = "<!DOCTYPE html><html><head><title>Service trouble</title></head>\
    <body><h1>We are sorry</h1><p>Please try again later.</p></body></html>";

/// The response of a fault that prevents any effect.
pub(crate) fn instead(kind: &FaultKind, crm: &dyn Crm) -> Option<SimulatedResponse> {
    Some(match kind {
        FaultKind::Status { code, body, content_type, headers } => {
            let mut answer = SimulatedResponse::text(*code, content_type, body.clone());
            answer.headers.clone_from(headers);
            answer
        }
        FaultKind::TooManyRequests { retry_after } => match retry_after {
            Some(value) => crm.too_many().header("retry-after", value.clone()),
            None => crm.too_many(),
        },
        FaultKind::SuccessFalse { message } => crm.refused(message),
        FaultKind::Redirect { status, location } => {
            SimulatedResponse::bare(*status).header("location", location.clone())
        }
        _ => return None,
    })
}

/// The response to an applied call, changed by the fault.
pub(crate) fn spoil(kind: &FaultKind, id_key: &str, mut answer: SimulatedResponse) -> SimulatedResponse {
    match kind {
        FaultKind::ContentType { value } => answer.content_type.clone_from(value),
        FaultKind::HtmlBody { status } => replace(&mut answer, *status, Some("text/html"), ERROR_PAGE.into()),
        FaultKind::Body { text } => {
            replace(&mut answer, 200, Some("application/json"), text.clone().into_bytes());
        }
        FaultKind::Bytes { base64 } => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
            replace(&mut answer, 200, Some("application/json"), bytes);
        }
        FaultKind::EmptyAnswer => replace(&mut answer, 200, None, Vec::new()),
        FaultKind::NoContent => replace(&mut answer, 204, None, Vec::new()),
        FaultKind::AppliedThen { status } => {
            let body = br#"{"error":"Internal Server Error","message":"Something went wrong"}"#;
            replace(&mut answer, *status, Some("application/json"), body.to_vec());
        }
        FaultKind::CutJson => answer.body.truncate(answer.body.len() / 2),
        FaultKind::Around { before, after } => {
            answer.body = [before.as_bytes(), answer.body.as_slice(), after.as_bytes()].concat();
        }
        FaultKind::Reshape { how } => answer.body = reshape::reshaped(*how, id_key, &answer.body),
        FaultKind::Gzip { layers } => {
            answer.body = (0..*layers).fold(answer.body, |body, _| gzip::wrapped(&body));
            answer.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        }
        FaultKind::ManyHeaders { count } => {
            answer.headers.extend((0..*count).map(|n| (format!("x-needless-{n}"), n.to_string())));
        }
        FaultKind::HugeHeader { bytes } => answer.headers.push(("x-needless".to_owned(), "a".repeat(*bytes))),
        _ => {}
    }
    answer
}

fn replace(answer: &mut SimulatedResponse, status: u16, content_type: Option<&str>, body: Vec<u8>) {
    answer.status = status;
    answer.content_type = content_type.map(str::to_owned);
    answer.body = body;
}
