//! A client's connection. A fault can take it from the HTTP server during a call.

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

/// The listener whose connections are [`SharedStream`]s.
pub(crate) struct SimulatorListener(pub TcpListener);

impl Listener for SimulatorListener {
    type Io = SharedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (SharedStream, SocketAddr) {
        loop {
            if let Ok((socket, address)) = self.0.accept().await {
                // Small parts of a slow response must be sent at once. If this fails, the faults still work.
                let _ = socket.set_nodelay(true);
                return (SharedStream(Arc::new(Mutex::new(Some(socket)))), address);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that belongs to the HTTP server until a fault takes the socket.
pub(crate) struct SharedStream(Arc<Mutex<Option<TcpStream>>>);

/// The handle of a call to its [`SharedStream`].
#[derive(Clone)]
pub(crate) struct ConnectionHandle(Arc<Mutex<Option<TcpStream>>>);

impl ConnectionHandle {
    /// Takes the socket. From then on the HTTP server sees a closed connection.
    pub(super) fn take(&self) -> Option<TcpStream> {
        self.0.lock().take()
    }
}

impl Connected<IncomingStream<'_, SimulatorListener>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, SimulatorListener>) -> Self {
        Self(Arc::clone(&stream.io().0))
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().as_mut() {
            Some(socket) => Pin::new(socket).poll_read(cx, into),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for SharedStream {
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
