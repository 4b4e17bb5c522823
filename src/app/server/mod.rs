//! The listening socket and its connections: HTTP/1.1, bounded in number, in the size of a head, and in time.

mod connection;
mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::connection::Connections;
pub(super) use self::line::Times;

/// Where the system sets no bound.
const CONNECTIONS_MOST: usize = 50_000;
/// How long nothing is accepted after the system could not.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the same trouble is logged, at most.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A server that accepts until it is dropped, also while it stops: who asks for its health is answered to the end.
pub(super) struct Server {
    connections: Connections,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers with `router` whoever connects.
    pub(super) fn start(listener: TcpListener, router: Router, times: Times) -> Self {
        let connections = Connections::new(router, times);
        let accepting = tokio::spawn(accept(listener, connections.clone(), connections_most()));
        Self { connections, accepting }
    }

    /// Closes idle connections now, and each of the others after its answer.
    pub(super) fn stop(&self) {
        self.connections.stop();
    }

    /// Waits until every connection that had a request is closed. What never sent a whole head is not waited for.
    pub(super) async fn until_quiet(&self) {
        self.connections.until_quiet().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Half of what the process may open: the other half is for the CRMs, the database and the log.
fn connections_most() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files / 2).ok());
    files.unwrap_or(CONNECTIONS_MOST).clamp(1, CONNECTIONS_MOST)
}

async fn accept(listener: TcpListener, connections: Connections, most: usize) {
    let places = Arc::new(Semaphore::new(most));
    let mut logged = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => answer(stream, &connections, place),
                Err(_) if seldom(&mut logged) => tracing::warn!(
                    most,
                    "as many connections are open as may be, and new ones are closed; if these are your clients, raise \
                     the limit of open files (ulimit -n): connections get half of it"
                ),
                Err(_) => {}
            },
            // The caller's doing, and the next one may be well.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if seldom(&mut logged) {
                    tracing::error!(
                        %error,
                        "no connection can be accepted; if too many files are open, raise the limit (ulimit -n)"
                    );
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn answer(stream: TcpStream, connections: &Connections, place: impl Send + 'static) {
    // Small answers must not wait for the acknowledgement of earlier ones. Where that cannot be had they do.
    let _ = stream.set_nodelay(true);
    let connection = connections.answer(stream);
    tokio::spawn(async move {
        connection.await;
        drop(place);
    });
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}

/// Whether it is time to log again.
fn seldom(logged: &mut Option<Instant>) -> bool {
    let due = logged.is_none_or(|logged| logged.elapsed() >= LOGGED_EVERY);
    if due {
        *logged = Some(Instant::now());
    }
    due
}

/// Counts what is held, and tells when nothing is.
#[derive(Clone, Default)]
struct Tally(Arc<watch::Sender<usize>>);

struct Counted(Tally);

impl Tally {
    fn count(&self) -> Counted {
        self.0.send_modify(|held| *held += 1);
        Counted(self.clone())
    }

    async fn until_none(&self) {
        // It fails only without a sender, and that is here.
        let _ = self.0.subscribe().wait_for(|held| *held == 0).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|held| *held -= 1);
    }
}
