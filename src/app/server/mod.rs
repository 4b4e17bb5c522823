//! The listening socket and its connections: HTTP/1.1 with or without TLS, bounded in number, in the size of a head, and in time.

mod certificate_expiry;
mod connection;
mod connection_state;
mod open_connections;
#[cfg(test)]
mod tests;
mod tls;
mod unread_body;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub(super) use self::certificate_expiry::CertificateExpiry;
use self::connection::ServerConnections;
use self::connection_state::ConnectionState;
pub(super) use self::connection_state::ConnectionTimes;
use self::open_connections::{OpenConnections, OpenEntry};
pub(super) use self::tls::Tls;
use crate::telemetry::series::CountedConnection;
use crate::telemetry::{ConnectionRefusal, RepeatLimit};

/// The limit if the system sets none.
const CONNECTIONS_MOST: usize = 50_000;
/// The system's send buffer per connection. With a larger one, the progress of a slow reader would show too late. A smaller
/// one would slow down callers with a long round trip.
const SEND_BUFFER: u32 = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// The pause after the system failed to accept a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the same problem is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A server. It accepts connections until it is dropped, also while it stops, so that health checks get responses.
pub(super) struct Server {
    connections: ServerConnections,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves `router` over at most `most` connections, which count under `name` in the metrics.
    pub(super) fn start(
        name: &'static str,
        listener: TcpListener,
        router: Router,
        times: ConnectionTimes,
        most: usize,
        tls: Option<Tls>,
    ) -> Self {
        let connections = ServerConnections::new(name, router, times, tls);
        let accepting = tokio::spawn(accept(name, listener, connections.clone(), most));
        Self { connections, accepting }
    }

    /// Closes connections that are idle after a request, and the others after their response. A connection that has
    /// not sent a request yet may still send one.
    pub(super) fn stop(&self) {
        self.connections.stop();
    }

    /// Waits until every connection that had a request is closed.
    pub(super) async fn until_quiet(&self) {
        self.connections.until_quiet().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Half of the process's limit on open files; the other half is for CRMs, the database and the log.
pub(super) fn connections_most() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files / 2).ok());
    files.unwrap_or(CONNECTIONS_MOST).clamp(1, CONNECTIONS_MOST)
}

async fn accept(name: &'static str, listener: TcpListener, connections: ServerConnections, most: usize) {
    let open = OpenConnections::new(most);
    let logged = RepeatLimit::new(LOGGED_EVERY);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let state = connections.new_state(Some(peer.ip()));
                if let Some(entry) = open.enter(&state) {
                    serve(stream, &connections, state, (entry, CountedConnection::open(name)));
                } else {
                    connections.refused.count(ConnectionRefusal::NoRoom);
                    if let Some(suppressed) = logged.due("no room") {
                        tracing::warn!(
                            most,
                            suppressed,
                            "the limit on connections is reached and none is idle, so new ones are closed; if these are your \
                             clients, raise the limit on open files (ulimit -n): connections get half of it"
                        );
                    }
                }
            }
            // The caller closed this connection; the next one is not affected.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let cause = error.to_string();
                if let Some(suppressed) = logged.due(&cause) {
                    tracing::error!(
                        cause,
                        suppressed,
                        "no connection can be accepted; if too many files are open, raise the limit (ulimit -n)"
                    );
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn serve(
    stream: TcpStream,
    connections: &ServerConnections,
    state: Arc<ConnectionState>,
    entry: (OpenEntry, CountedConnection),
) {
    // Small responses must not wait for the acknowledgement of earlier ones. A failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let connections = connections.clone();
    tokio::spawn(async move {
        connections.serve_stream(stream, state).await;
        drop(entry);
    });
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}
