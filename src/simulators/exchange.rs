//! One call through a simulator: journal, fault, effect, response.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::watch;

use super::connection_handle::ConnectionHandle;
use super::crm::{Crm, SimulatedRequest, SimulatedResponse};
use super::fault_kinds::FaultKind;
use super::faults::{Fault, SharedList};
use super::journal::{Journal, RecordedCall};
use super::published_rates::{PublishedRates, Quota};
use super::reword;
use super::script::Script;
use super::views::View;

const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A running simulator, as its calls see it.
pub(crate) struct Simulation {
    pub crm: Box<dyn Crm>,
    pub journal: Journal,
    pub faults: SharedList<Fault>,
    pub views: SharedList<View>,
    pub pace: Option<PublishedRates>,
    pub quota: Quota,
    /// True when the simulator stops; hanging calls then end.
    pub stop: watch::Sender<bool>,
}

impl Simulation {
    pub(crate) async fn handle(&self, connection: &ConnectionHandle, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let token = self.crm.token(&parts.headers);
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let may_write = self.crm.may_write(method, path);
        let fault = self.faults.meet(token.as_deref(), method, path, may_write);
        let entry = self.journal.arrive(RecordedCall {
            method: method.to_owned(),
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.keys().map(|name| name.as_str().to_owned()).collect(),
            token: token.as_deref().map(last_characters),
            fault: fault.as_ref().map(name_of),
            ..RecordedCall::default()
        });
        if matches!(fault, Some(FaultKind::ResetBeforeReading)) {
            return self.play(connection, Script::reset());
        }
        let body = to_bytes(body, LARGEST_BODY).await;
        if let Ok(body) = &body {
            self.journal.read(entry, String::from_utf8_lossy(body).into_owned());
        }
        let body = body.unwrap_or_default();
        if matches!(fault, Some(FaultKind::NeverAnswer)) {
            return self.play(connection, Script::silence());
        }
        if let Some(FaultKind::Latency { ms }) = fault {
            self.pause(ms).await;
        }
        if let Some(kind) = &fault {
            self.apply_other_change(kind, parts.uri.path());
        }
        let answer = self.respond(&parts, &body, fault.as_ref());
        let script = fault.as_ref().and_then(|kind| Script::of(kind, &answer));
        self.journal.amend(entry, |call| {
            let silent =
                matches!(fault, Some(FaultKind::ResetAfterApplying | FaultKind::AppliedNeverAnswers));
            call.status = (!silent).then_some(answer.status);
            call.applied = answer.applied.clone();
            call.conversations = answer.conversations;
            call.alarm.clone_from(&answer.alarm);
        });
        if let Some(FaultKind::LateAnswer { ms }) = fault {
            self.pause(ms).await;
        }
        script.map_or_else(|| response(answer), |script| self.play(connection, script))
    }

    /// Another client's change just before the call is handled.
    fn apply_other_change(&self, kind: &FaultKind, path: &str) {
        match kind {
            FaultKind::Meanwhile { contact, set } => {
                let named = path.rsplit('/').next().unwrap_or_default();
                self.crm.change(contact.as_deref().unwrap_or(named), set);
            }
            FaultKind::MergedMeanwhile { primary, other } => drop(self.crm.merge(primary, other)),
            _ => {}
        }
    }

    /// The CRM's response, after its rate limit and with the fault's changes.
    fn respond(
        &self,
        parts: &http::request::Parts,
        body: &Bytes,
        fault: Option<&FaultKind>,
    ) -> SimulatedResponse {
        if let Some(Err(wait)) = self.pace.map(|pace| self.quota.admit(pace)) {
            let seconds = wait.as_secs() + 1;
            return self.crm.too_many().header("retry-after", seconds.to_string());
        }
        if let Some(answer) = fault.and_then(|kind| reword::instead(kind, self.crm.as_ref())) {
            return answer;
        }
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let request = SimulatedRequest {
            method: &parts.method,
            path: parts.uri.path(),
            query: &query,
            headers: &parts.headers,
            body,
            disruption: match fault {
                Some(FaultKind::Field(disruption)) => Some(disruption),
                _ => None,
            },
        };
        let mut answer = self.crm.respond(&request);
        if let Some(reading) = self.crm.reading(parts.method.as_str(), parts.uri.path()) {
            answer.body = self.views.apply(reading, self.crm.id_key(), answer.body);
        }
        match fault {
            // If the CRM refuses the second application, the first response stays.
            Some(FaultKind::AppliedTwice) => {
                Some(self.crm.respond(&request)).filter(|again| again.applied.is_write()).unwrap_or(answer)
            }
            Some(kind) => reword::spoil(kind, self.crm.id_key(), answer),
            None => answer,
        }
    }

    async fn pause(&self, ms: u64) {
        let mut stopping = self.stop.subscribe();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// Takes the connection from the HTTP server and runs the script on it.
    fn play(&self, connection: &ConnectionHandle, script: Script) -> Response {
        let mut stopping = self.stop.subscribe();
        if let Some(socket) = connection.take() {
            tokio::spawn(async move {
                tokio::select! {
                    () = script.play(socket) => {}
                    _ = stopping.wait_for(|stopping| *stopping) => {}
                }
            });
        }
        // No client receives this, because the server's connection is gone.
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

fn last_characters(token: &str) -> String {
    let start = token.char_indices().rev().nth(3).map_or(0, |(index, _)| index);
    token.get(start..).unwrap_or_default().to_owned()
}

/// The fault's `kind` in JSON, for the journal.
fn name_of(kind: &FaultKind) -> String {
    let written = serde_json::to_value(kind).unwrap_or_default();
    written.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()
}

fn response(answer: SimulatedResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = answer.content_type.map(|value| ("content-type".to_owned(), value));
    for (name, value) in content_type.into_iter().chain(answer.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
