//! One connection, from its first byte to its end.
//!
//! It is written by hand because the library has one timeout for both heads and idle connections, and none for callers that do
//! not read their response.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep_until;
use tower::ServiceExt;

use super::connection_state::{ConnectionState, ConnectionTimes, TimedIo};
use super::tls::{Tls, handshake_refusal};
use super::unread_body::UnreadBody;
use crate::api::PeerAddress;
use crate::telemetry::{ConnectionRefusal, RefusedConnections};

/// The buffer of one connection in each direction. A head of this size always fits; hyper may read up to as much again before it refuses
/// one.
const BUFFER: usize = 64 * 1024;
/// Tells the caller to send no further request; the library then closes the connection.
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What all connections of a server share.
#[derive(Clone)]
pub(super) struct ServerConnections {
    router: Router,
    times: ConnectionTimes,
    http: http1::Builder,
    tls: Option<Tls>,
    pub(super) refused: Arc<RefusedConnections>,
    /// Each connection that had a request holds a receiver.
    used: Arc<watch::Sender<()>>,
    stop: Arc<watch::Sender<bool>>,
}

impl ServerConnections {
    /// `name` is that of the listener.
    pub(super) fn new(name: &'static str, router: Router, times: ConnectionTimes, tls: Option<Tls>) -> Self {
        let mut http = http1::Builder::new();
        // `ConnectionState` has the timeouts.
        http.max_buf_size(BUFFER).header_read_timeout(None);
        let refused = Arc::new(RefusedConnections::of(name));
        Self { router, times, http, tls, refused, used: Arc::default(), stop: Arc::default() }
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) async fn until_quiet(&self) {
        self.used.closed().await;
    }

    /// The state of a new connection from `peer`.
    pub(super) fn new_state(&self, peer: Option<IpAddr>) -> Arc<ConnectionState> {
        ConnectionState::new(self.times, peer)
    }

    /// Serves requests over `stream`, with TLS if the server has a certificate. The handshake is part of the time for the first head.
    pub(super) async fn serve_stream(&self, stream: TcpStream, state: Arc<ConnectionState>) {
        let io = TimedIo { io: stream, state: Arc::clone(&state) };
        let Some(tls) = &self.tls else { return self.serve(io, state).await };
        // Apart, so that connections without TLS do not have its size.
        Box::pin(async move {
            let late = state.due().unwrap_or_else(crate::clock::monotonic);
            let accepted = tokio::select! {
                accepted = tls.accept(io) => accepted.map_err(|error| handshake_refusal(&error)),
                () = state.until_closed() => return,
                () = sleep_until(late) => Err(ConnectionRefusal::TlsTooSlow),
            };
            match accepted {
                Ok(io) => {
                    state.end_handshake();
                    self.serve(io, state).await;
                }
                // A peer that sent nothing is a port check, not a refusal.
                Err(refusal) if state.has_begun() => self.refused.note(refusal, state.peer),
                Err(_) => {}
            }
        })
        .await;
    }

    /// Passes the requests of a connection to the router.
    fn route_requests(
        &self,
        state: &Arc<ConnectionState>,
    ) -> impl Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Send + use<>
    {
        let (router, used, watched) = (self.router.clone(), Arc::clone(&self.used), Arc::clone(state));
        let peer = state.peer;
        let stopping = self.stop.subscribe();
        service_fn(move |request: hyper::Request<Incoming>| {
            let (mut request, body) = UnreadBody::watch(request);
            if let Some(peer) = peer {
                request.extensions_mut().insert(PeerAddress(peer));
            }
            watched.used.get_or_init(|| used.subscribe());
            watched.begin();
            let (router, state, stopping) = (router.clone(), Arc::clone(&watched), stopping.clone());
            async move {
                let mut response: Response = router.oneshot(request).await?;
                let may_continue = body.finish().await;
                state.end();
                if response.body().size_hint().exact().is_none() {
                    response = response.map(|body| Body::new(StreamedBody::new(body, state)));
                }
                if *stopping.borrow() || !may_continue {
                    response.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                Ok::<_, Infallible>(response)
            }
        })
    }

    /// Serves requests over `io`, which reports to `state`, until either side closes it, a timeout passes, it is closed to make room, or the server
    /// stops.
    pub(super) fn serve<IO>(
        &self,
        io: IO,
        state: Arc<ConnectionState>,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.route_requests(&state);
        let (refused, peer) = (Arc::clone(&self.refused), state.peer);
        let connection = self.http.serve_connection(TokioIo::new(io), service);
        let mut stop = self.stop.subscribe();
        async move {
            let mut connection = pin!(connection);
            // It fails only without a server, which is a stop too.
            let mut stop = pin!(async move { drop(stop.wait_for(|stop| *stop).await) });
            let mut told = false;
            let mut late = pin!(sleep_until(crate::clock::monotonic()));
            let mut closed = pin!(state.until_closed());
            let mut evicted = false;
            let refusal = poll_fn(|context| {
                evicted = evicted || closed.as_mut().poll(context).is_ready();
                // Before reading: a request must not be accepted and then cut off.
                if evicted && state.is_closed() {
                    return Poll::Ready(None);
                }
                // Before the stop, so that a request that has arrived is served.
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    return Poll::Ready(ended.err().and_then(|error| head_refusal(&error)));
                }
                if evicted && state.is_closed() {
                    return Poll::Ready(None);
                }
                if !told && stop.as_mut().poll(context).is_ready() {
                    told = true;
                    // A connection without a request may have one on its way: it is served, and then closes the connection.
                    if state.used.get().is_some() {
                        connection.as_mut().graceful_shutdown();
                        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                            return Poll::Ready(ended.err().and_then(|error| head_refusal(&error)));
                        }
                    }
                }
                let Some(due) = state.due() else { return Poll::Pending };
                if late.deadline() != due {
                    late.as_mut().reset(due);
                }
                let refusal_if_late = || state.has_begun().then_some(ConnectionRefusal::HeadTooSlow);
                late.as_mut().poll(context).map(|()| refusal_if_late())
            })
            .await;
            if let Some(refusal) = refusal {
                refused.note(refusal, peer);
            }
        }
    }
}

/// Why hyper rejected the head; `None` if the connection ended otherwise.
fn head_refusal(error: &hyper::Error) -> Option<ConnectionRefusal> {
    /// hyper has no predicate for it, so its text is compared.
    const URI_TOO_LONG: &str = "URI too long";
    if error.is_parse_too_large() {
        let is_uri = error.to_string() == URI_TOO_LONG;
        return Some(if is_uri { ConnectionRefusal::UriTooLong } else { ConnectionRefusal::HeadTooLarge });
    }
    if error.is_parse_version_h2() {
        return Some(ConnectionRefusal::Http2);
    }
    error.is_parse().then_some(ConnectionRefusal::MalformedRequest)
}

/// A response whose length is not known before its end.
struct StreamedBody {
    body: Body,
    state: Arc<ConnectionState>,
}

impl StreamedBody {
    fn new(body: Body, state: Arc<ConnectionState>) -> Self {
        state.set_streams(true);
        Self { body, state }
    }
}

impl HttpBody for StreamedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(None) = frame {
            self.state.set_streams(false);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl Drop for StreamedBody {
    fn drop(&mut self) {
        self.state.set_streams(false);
    }
}
