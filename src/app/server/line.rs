//! One connection's bytes, watched: how long a head may take to arrive, and how long nothing may.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Counted;

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct Times {
    /// From its beginning, or from the first byte of a further request, until the head is whole.
    pub(in crate::app) head: Duration,
    /// From an answer until the next request begins; whoever takes longer to read the answer is cut off too.
    pub(in crate::app) idle: Duration,
}

impl Default for Times {
    fn default() -> Self {
        // Longer than the minute for which proxies keep a connection: they must be the ones to close it.
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(70) }
    }
}

/// Where a connection stands. Only its own task changes that: in reading, and in calling and ending the service.
pub(super) struct Line {
    times: Times,
    phase: Mutex<Phase>,
    /// Set by the first request: a connection without any is not waited for when the server stops.
    pub(super) used: OnceLock<Counted>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// A head is awaited or half there.
    Head { until: Instant },
    /// A request is under way; it has a deadline of its own.
    Busy,
    /// The answer is ready, and no byte of a further request has come.
    Idle { until: Instant },
}

impl Line {
    pub(super) fn new(times: Times) -> Arc<Self> {
        let phase = Mutex::new(Phase::Head { until: Instant::now() + times.head });
        Arc::new(Self { times, phase, used: OnceLock::new() })
    }

    /// When the connection is closed if nothing happens until then.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Head { until } | Phase::Idle { until } => Some(until),
            Phase::Busy => None,
        }
    }

    /// A head is whole.
    pub(super) fn begin(&self) {
        self.set(Phase::Busy);
    }

    /// The answer is ready.
    pub(super) fn end(&self) {
        self.set(Phase::Idle { until: Instant::now() + self.times.idle });
    }

    /// Bytes have come: of a head, unless a request is under way whose body they may be.
    fn heard(&self) {
        if let Phase::Idle { .. } = self.phase() {
            self.set(Phase::Head { until: Instant::now() + self.times.head });
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}

/// A connection whose line is told of every byte that comes.
pub(super) struct Heard<IO> {
    pub(super) io: IO,
    pub(super) line: Arc<Line>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Heard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.line.heard();
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Heard<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
