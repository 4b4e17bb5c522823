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
use http::{HeaderMap, Method};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::RequestId;
use crate::config::TrustedProxies;
use crate::domain::{RequestRecord, Text};
use crate::telemetry::history::RequestHistory;
use crate::telemetry::{AccessEntry, log_access, series};

/// The status of a request whose caller left before the response: nginx's word for it.
const CALLER_LEFT: u16 = 499;

/// The address of the connection, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

/// Records the request until its response, and a streamed response until its end. A caller who leaves is recorded too.
pub(in crate::api) async fn record(
    State((proxies, history)): State<(Arc<TrustedProxies>, Arc<RequestHistory>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let record = RequestRecord::begin();
    let extensions = request.extensions_mut();
    extensions.insert(record.clone());
    let mut open = OpenRequest {
        history,
        record,
        began: crate::clock::monotonic(),
        route: extensions.get::<MatchedPath>().cloned(),
        id: extensions.get::<RequestId>().map_or(Text::from_static(""), |id| id.0.clone()),
        client: extensions.get::<PeerAddress>().copied(),
        method: request.method().clone(),
        status: CALLER_LEFT,
        trace_id: trace_id(request.headers()),
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
    record: RequestRecord,
    began: Instant,
    route: Option<MatchedPath>,
    id: Text,
    client: Option<PeerAddress>,
    method: Method,
    status: u16,
    trace_id: Option<TraceId>,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Self { history, record, began, route, id, client, method, status, trace_id } = self;
        let (mut facts, took) = (record.facts(), began.elapsed());
        if facts.has_left {
            // Nobody got the response.
            (*status, facts.failure, facts.reason) = (CALLER_LEFT, None, None);
        }
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let code = facts.failure.map_or("", |kind| kind.code());
        // A caller can send any text as a method.
        let method = series::known_method(method.as_str());
        let times = series::RequestTimes { total: took, waited: facts.waited, upstream: facts.upstream };
        series::request(route, method, *status, code, &times);
        let entry = AccessEntry {
            method,
            route,
            status: *status,
            took,
            client: client.map(|PeerAddress(address)| address),
            request_id: id,
            trace_id: trace_id.as_ref().map(TraceId::as_str),
            facts: &facts,
        };
        history.record(&entry);
        log_access(&entry);
    }
}

/// The trace id of a valid header `traceparent` (W3C Trace Context): 32 hexadecimal digits.
struct TraceId([u8; 32]);

impl TraceId {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn trace_id(headers: &HeaderMap) -> Option<TraceId> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let mut parts = value.split(|byte| *byte == b'-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let is_valid = is_hex(version, 2) && version != b"ff" && is_hex(trace, 32) && !is_zero(trace);
    let is_valid = is_valid && is_hex(parent, 16) && !is_zero(parent) && is_hex(flags, 2);
    // Only later versions may have further parts.
    let is_valid = is_valid && (version != b"00" || parts.next().is_none());
    trace.try_into().ok().filter(|_| is_valid).map(TraceId)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_valid_traceparent_has_a_trace_id() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", HeaderValue::from_str(value).unwrap());
            }
            trace_id(&headers).map(|id| id.as_str().to_owned())
        };
        let valid = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(read(&[&valid]).as_deref(), Some(id));
        assert_eq!(read(&[&format!("cc-{id}-00f067aa0ba902b7-01-more")]).as_deref(), Some(id));
        for values in [
            &[][..],
            &[valid.as_str(), &valid],
            &[&format!("{valid}-more")],
            &[&format!("ff-{id}-00f067aa0ba902b7-01")],
            &[&format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase())],
            &[&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))],
            &[&format!("00-{id}-0000000000000000-01")],
            &[&format!("00-{id}-00f067aa0ba902b7")],
            &["00-ada@example.com-00f067aa0ba902b7-01"],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
