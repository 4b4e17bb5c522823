//! A client's connection, which a fault can take away from the HTTP server in the middle of a call.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The listener whose connections are [`Line`]s.
pub(crate) struct SimulatorListener(pub TcpListener);

impl Listener for SimulatorListener {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            if let Ok((socket, address)) = self.0.accept().await {
                // Small writes of a slow answer must leave at once; without it the faults still work.
                let _ = socket.set_nodelay(true);
                return (Line(Arc::new(Mutex::new(Some(socket)))), address);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that is the HTTP server's until somebody takes the socket out.
pub(crate) struct Line(Arc<Mutex<Option<TcpStream>>>);

/// The other end of a [`Line`], as a call gets hold of it.
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<Mutex<Option<TcpStream>>>);

impl ConnectionHandle {
    /// The bare socket; the HTTP server finds the connection closed from then on.
    pub(super) fn take(&self) -> Option<TcpStream> {
        self.0.lock().take()
    }
}

impl Connected<IncomingStream<'_, SimulatorListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, SimulatorListener>) -> Self {
        Self(Arc::clone(&stream.io().0))
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().as_mut() {
            Some(socket) => Pin::new(socket).poll_read(cx, into),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.lock().as_mut() {
            Some(socket) => Pin::new(socket).poll_write(cx, from),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().as_mut() {
            Some(socket) => Pin::new(socket).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().as_mut() {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
