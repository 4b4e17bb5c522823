//! The timeouts of one connection: for the head of a request, for a response that is not read, and for idleness.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct ConnectionTimes {
    /// From the connection's start, or from the first byte of a further request, until the head is complete.
    pub(in crate::app) head: Duration,
    /// How long a caller may read nothing of a pending response. Progress restarts it.
    pub(in crate::app) stalled: Duration,
    /// From a response's last byte until the next request begins.
    pub(in crate::app) idle: Duration,
}

impl Default for ConnectionTimes {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            stalled: Duration::from_secs(30),
            // Longer than the minute that proxies keep a connection, so that the proxy closes it first.
            idle: Duration::from_secs(70),
        }
    }
}

/// The state of one connection. Its task changes it when it reads, writes, or begins and ends a request. The listener may
/// close it to make room.
pub(super) struct ConnectionState {
    times: ConnectionTimes,
    /// The caller's address; `None` in tests without a network.
    pub(super) peer: Option<IpAddr>,
    state: Mutex<IoState>,
    closed: Notify,
    /// Set by the first request. A stopping server does not wait for a connection that had none.
    pub(super) used: OnceLock<watch::Receiver<()>>,
}

struct IoState {
    phase: Phase,
    /// Since when no request is in flight.
    idle_since: Instant,
    /// When the caller is disconnected if it reads nothing; set while bytes wait for it.
    stalled: Option<Instant>,
    /// Whether a response is streamed whose end is not known yet. Between its parts the connection is not idle.
    streams: bool,
    /// Closed for a new connection, when no request is in flight.
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No head has arrived, or part of one; `begun` says whether any byte of it has.
    Head { until: Instant, begun: bool },
    /// A request is in flight; it has its own deadline.
    Busy,
    /// The response is ready but not completely written; `heard` says whether bytes of a further request have arrived.
    Writing { heard: bool },
    /// The response is written, and no byte of a further request has arrived.
    Idle { until: Instant },
}

impl Phase {
    const fn is_idle(self) -> bool {
        matches!(self, Self::Head { .. } | Self::Idle { .. })
    }
}

impl ConnectionState {
    pub(super) fn new(times: ConnectionTimes, peer: Option<IpAddr>) -> Arc<Self> {
        let now = crate::clock::monotonic();
        let phase = Phase::Head { until: now + times.head, begun: false };
        let state = IoState { phase, idle_since: now, stalled: None, streams: false, closed: false };
        Arc::new(Self { times, peer, state: Mutex::new(state), closed: Notify::new(), used: OnceLock::new() })
    }

    /// When the connection is closed if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        let state = self.state.lock();
        let phase = match state.phase {
            Phase::Head { until, .. } | Phase::Idle { until } => Some(until),
            Phase::Busy | Phase::Writing { .. } => None,
        };
        [phase, state.stalled].into_iter().flatten().min()
    }

    /// Whether a part of a head, or of a TLS handshake, has arrived.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Head { begun: true, .. })
    }

    /// The TLS handshake is complete: what arrives from now on is a head.
    pub(super) fn end_handshake(&self) {
        if let Phase::Head { begun, .. } = &mut self.state.lock().phase {
            *begun = false;
        }
    }

    /// The head of a request is complete.
    pub(super) fn begin(&self) {
        self.state.lock().phase = Phase::Busy;
    }

    pub(super) fn end(&self) {
        self.state.lock().phase = Phase::Writing { heard: false };
    }

    /// A streamed response begins or ends.
    pub(super) fn set_streams(&self, streams: bool) {
        self.state.lock().streams = streams;
    }

    /// Since when no request is in flight; `None` if one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.phase.is_idle().then_some(state.idle_since)
    }

    /// Closes the connection if no request was in flight since `since`.
    pub(super) fn close_if_idle_since(&self, since: Instant) -> bool {
        let mut state = self.state.lock();
        let closes = state.phase.is_idle() && state.idle_since == since && !state.closed;
        if closes {
            state.closed = true;
            self.closed.notify_one();
        }
        closes
    }

    /// Whether it was closed to make room. A request that arrived at the same time is served first.
    pub(super) fn is_closed(&self) -> bool {
        let state = self.state.lock();
        state.closed && state.phase.is_idle()
    }

    /// Waits until [`Self::close_if_idle_since`] closes the connection.
    pub(super) async fn until_closed(&self) {
        self.closed.notified().await;
    }

    /// Bytes arrived. They belong to a head, or to the body of the request in flight.
    fn heard(&self) {
        let mut state = self.state.lock();
        match &mut state.phase {
            Phase::Idle { .. } => {
                state.phase = Phase::Head { until: crate::clock::monotonic() + self.times.head, begun: true };
            }
            Phase::Head { begun, .. } => *begun = true,
            // A slow reader of the response may have sent the next request already.
            Phase::Writing { heard } => *heard = true,
            Phase::Busy => {}
        }
    }

    /// A write made progress, or bytes wait for the caller.
    fn wrote(&self, progress: bool) {
        let mut state = self.state.lock();
        if progress {
            state.stalled = None;
        } else if state.stalled.is_none() {
            state.stalled = Some(crate::clock::monotonic() + self.times.stalled);
        }
        if let Phase::Idle { .. } = state.phase {
            state.phase = Phase::Writing { heard: false };
        }
    }

    fn flushed(&self) {
        let mut state = self.state.lock();
        state.stalled = None;
        if let (Phase::Writing { heard }, false) = (state.phase, state.streams) {
            let now = crate::clock::monotonic();
            state.idle_since = now;
            state.phase = if heard {
                Phase::Head { until: now + self.times.head, begun: true }
            } else {
                Phase::Idle { until: now + self.times.idle }
            };
        }
    }
}

/// A connection that reports its reads and writes to its [`ConnectionState`].
pub(super) struct TimedIo<IO> {
    pub(super) io: IO,
    pub(super) state: Arc<ConnectionState>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for TimedIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.state.heard();
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for TimedIo<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.state.wrote(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.state.wrote(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes once it has written everything.
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if flushed.is_ready() {
            self.state.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
