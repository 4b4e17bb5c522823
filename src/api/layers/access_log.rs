//! The record of each request: one line in the log, and its part in the metrics and in the history of the operator page. They
//! name the matched route, never a value.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::RequestId;
use crate::api::{RequestAdmission, SharedProxies, problem};
use crate::domain::{AttemptFacts, FailureKind, RequestRecord, Text, TraceParent};
use crate::telemetry::history::RequestHistory;
use crate::telemetry::traces::RequestSpan;
use crate::telemetry::{AccessEntry, CALLER_LEFT, log_access, series};

/// Why a request has no response that the process did not wait for at its stop.
const CUT_OFF: &str = "cut off by the stop";

/// The address of the connection, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

/// Records the request until its response, and a streamed response until its end. A caller who leaves is recorded too.
pub(in crate::api) async fn record(
    State((proxies, history, admission)): State<(SharedProxies, Arc<RequestHistory>, Arc<RequestAdmission>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let parent = traceparent(request.headers());
    // A caller can send any text as a method.
    let method = series::known_method(request.method().as_str());
    let span = RequestSpan::begin(method, route.as_ref().map_or("none", MatchedPath::as_str), parent);
    let record = RequestRecord::begin(span.traceparent());
    let extensions = request.extensions_mut();
    extensions.insert(record.clone());
    let mut open = OpenRequest {
        trace: span.traceparent().or(parent),
        span,
        history,
        admission,
        record,
        began: crate::clock::monotonic(),
        route,
        id: extensions.get::<RequestId>().map_or(Text::from_static(""), |id| id.0.clone()),
        client: extensions.get::<PeerAddress>().copied(),
        method,
        status: CALLER_LEFT,
    };
    open.client = open.client.map(|PeerAddress(peer)| PeerAddress(proxies.client(peer, request.headers())));
    let response = next.run(request).await;
    open.status = response.status().as_u16();
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(RecordedBody { body, open, has_ended: false }))
}

/// A streamed body, which holds the record until it has ended or is given up.
struct RecordedBody {
    body: Body,
    open: OpenRequest,
    has_ended: bool,
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.has_ended |= matches!(&frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.open.record.note_caller_left();
        }
    }
}

/// A request that is recorded when this is dropped.
struct OpenRequest {
    history: Arc<RequestHistory>,
    admission: Arc<RequestAdmission>,
    record: RequestRecord,
    began: Instant,
    route: Option<MatchedPath>,
    id: Text,
    client: Option<PeerAddress>,
    method: &'static str,
    status: u16,
    trace: Option<TraceParent>,
    span: RequestSpan,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Self { history, admission, record, began, route, id, client, method, status, trace, span } = self;
        let (mut facts, took) = (record.facts(), began.elapsed());
        if admission.has_stopped_waiting() && (facts.has_left || *status == CALLER_LEFT) {
            let draining = FailureKind::Draining;
            (*status, facts.failure, facts.reason) =
                (problem::status(draining).as_u16(), Some(draining), Some(CUT_OFF));
            if let Some(attempt) = facts.attempt.as_mut()
                && attempt.cause == Some(AttemptFacts::CALLER_LEFT)
            {
                attempt.cause = Some(CUT_OFF);
            }
        } else if facts.has_left {
            // Nobody got the response.
            (*status, facts.failure, facts.reason) = (CALLER_LEFT, None, None);
        }
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let code = facts.failure.map_or("", |kind| kind.code());
        let times = series::RequestTimes { total: took, waited: facts.waited, upstream: facts.upstream };
        series::request(route, method, *status, code, &times);
        let entry = AccessEntry {
            method,
            route,
            status: *status,
            took,
            client: client.map(|PeerAddress(address)| address),
            request_id: id,
            trace_id: trace.as_ref().map(TraceParent::trace_id),
            facts: &facts,
        };
        span.end(&entry);
        history.record(&entry);
        log_access(&entry);
    }
}

/// The header `traceparent`, if there is exactly one and it is valid.
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    TraceParent::parse(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_one_valid_traceparent_is_read() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", HeaderValue::from_static(value));
            }
            traceparent(&headers).map(|read| read.trace_id().to_owned())
        };
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(&[valid]).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for values in [&[][..], &[valid, valid], &["00-ada@example.com-00f067aa0ba902b7-01"]] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
