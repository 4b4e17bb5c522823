//! The rest of a request's body that no handler read. Many requests are refused by their head alone. Their callers may still be
//! sending the body, and expect to use the connection again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::header;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The largest rest of a body that is read and thrown away.
const LARGEST: u64 = 64 * 1024;
/// How long a response waits for the rest of the body.
const PATIENCE: Duration = Duration::from_millis(500);

/// What becomes of a request's body.
pub(super) struct UnreadBody {
    /// Receives the body from the handler that drops it before its end; `None` if the request has no body.
    dropped: Option<oneshot::Receiver<Incoming>>,
    /// The caller sends the body only if it is told to, so reading would ask for it.
    waits_for_continue: bool,
}

impl UnreadBody {
    /// The request for the router, and what to call when its response is ready.
    pub(super) fn watch(request: hyper::Request<Incoming>) -> (hyper::Request<Body>, Self) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), Self { dropped: None, waits_for_continue: false });
        }
        let waits_for_continue = request.headers().contains_key(header::EXPECT);
        let (sender, dropped) = oneshot::channel();
        let request = request.map(|body| Body::new(WatchedBody { body: Some(body), sender: Some(sender) }));
        (request, Self { dropped: Some(dropped), waits_for_continue })
    }

    /// Reads the rest of the body. Returns whether the connection can have a further request; if not, the rest is too large or
    /// did not arrive in time.
    pub(super) async fn finish(self) -> bool {
        use oneshot::error::TryRecvError;
        let Some(mut dropped) = self.dropped else { return true };
        match dropped.try_recv() {
            Ok(_) if self.waits_for_continue => false,
            Ok(body) => timeout(PATIENCE, drain(body)).await.unwrap_or(false),
            Err(TryRecvError::Closed) => true,
            // Something still reads it.
            Err(TryRecvError::Empty) => false,
        }
    }
}

async fn drain(mut body: Incoming) -> bool {
    let mut left = LARGEST;
    loop {
        if body.size_hint().lower() > left {
            return false;
        }
        match body.frame().await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let read = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(rest) = left.checked_sub(read) else { return false };
                left = rest;
            }
        }
    }
}

/// A request's body that hands itself over if it is dropped before its end.
struct WatchedBody {
    /// `None` after the end.
    body: Option<Incoming>,
    sender: Option<oneshot::Sender<Incoming>>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None) = frame {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if let (Some(body), Some(sender)) = (self.body.take(), self.sender.take())
            && !body.is_end_stream()
        {
            // Without a receiver the connection is gone.
            drop(sender.send(body));
        }
    }
}
