//! What may stand before a CRM instead of itself: a TLS server with a certificate, nobody, or the place a redirect leads to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The path of a file of `tests/fixtures/tls`.
pub(crate) fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What the gateway calls in a case.
pub(crate) struct Front {
    pub(crate) url: String,
    /// Holds the port, so that nobody else listens there.
    _port: Option<TcpSocket>,
}

impl Front {
    /// The CRM itself.
    pub(crate) const fn of(url: String) -> Self {
        Self { url, _port: None }
    }

    /// Listens with the certificate `name` and passes what comes on to `behind`. Ends with the runtime.
    pub(crate) async fn tls(name: &str, behind: SocketAddr) -> Self {
        let chain = vec![CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap()];
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let (Ok(mut front), Ok(mut back)) =
                        (acceptor.accept(socket).await, TcpStream::connect(behind).await)
                    else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
                });
            }
        });
        Self::of(url)
    }

    /// A port where nobody listens.
    pub(crate) fn nobody() -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { url: format!("http://{}", port.local_addr().unwrap()), _port: Some(port) }
    }
}

/// Where a redirect must not lead: it counts its visitors.
pub(crate) struct Canary {
    pub(crate) url: String,
    visits: Arc<AtomicUsize>,
}

impl Canary {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, visits }
    }

    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}
