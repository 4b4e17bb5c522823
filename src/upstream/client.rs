//! The HTTP client: one per credential, all with one TLS configuration.
//!
//! Credentials do not share connections, so an unsolicited response of a host reaches no other credential. Idle
//! connections close when the last clone of their client is dropped.
//!
//! Writes never reuse a connection: if a server or proxy closed it at the same time, the write would be lost, and nobody could
//! know whether it was applied. A read is repeated in that case.
//!
//! Interim (1xx) responses cannot be limited: the client skips them without reporting them. A host that sends nothing
//! else costs CPU time until the attempt ends; then its connection closes, after at most 128 more reads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use reqwest::Body;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

use super::resolver::Resolver;
use super::transport_error::{CertificateFault, ConnectFault, TransportError};

/// The connect timeout, including lookup and TLS; the call's deadline applies as well.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Shorter than the idle timeout of common servers, so that a read rarely uses a connection that the server is closing.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Idle connections per credential, more than are in flight in most configurations. With fewer, callers at the same time close each
/// other's connections: with 4 and 32 callers, half of all reads opened a new one; with 16, a create opened 1.4 instead of 1.1.
const MOST_IDLE: usize = 128;

/// The configuration that all clients share.
#[derive(Clone)]
pub(super) struct Clients {
    /// Clones share the root certificates, the verifier and the session cache.
    tls: Arc<ClientConfig>,
}

/// The client of one credential; clones share its connections. `None` if it could not be built.
#[derive(Clone)]
pub(super) struct HttpClient {
    reads: Option<reqwest::Client>,
    /// Opens a connection for each request and keeps none.
    writes: Option<reqwest::Client>,
}

impl Clients {
    /// Reads the machine's root certificates, once for all clients. Fails if there are none.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut tls = builder.with_platform_verifier()?.with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls) })
    }

    /// A new client that connects to the addresses that `resolver` returns.
    pub(super) fn client(&self, resolver: &Resolver, https_only: bool) -> HttpClient {
        let client = |most_idle| self.keeping(most_idle, resolver.clone(), https_only);
        HttpClient { reads: client(MOST_IDLE), writes: client(0) }
    }

    fn keeping(&self, most_idle: usize, resolver: Resolver, https_only: bool) -> Option<reqwest::Client> {
        #[expect(clippy::disallowed_methods, reason = "the one place that builds clients")]
        let builder = reqwest::Client::builder();
        // No redirects: they would send the secret to another host. No proxy: it would resolve names without our checks.
        // No decompression: `body.rs` also limits the compressed size.
        builder
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .dns_resolver(resolver)
            .https_only(https_only)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_gzip()
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(most_idle)
            .build()
            .inspect_err(|error| tracing::error!(%error, "an HTTP client cannot be built"))
            .ok()
    }
}

/// Which connection a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionChoice {
    /// An idle one, if there is one.
    Shared,
    /// A new one: an idle connection may be closing, which would lose the request.
    New,
}

impl HttpClient {
    /// Sends a request and returns its response with the body unread.
    pub(super) async fn send(
        &self,
        connection: ConnectionChoice,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response<Body>, TransportError> {
        let client = match connection {
            ConnectionChoice::New => &self.writes,
            ConnectionChoice::Shared => &self.reads,
        };
        let client = client.as_ref().ok_or(TransportError::Unbuildable)?;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Body::from);
        let response = client.execute(request).await.map_err(|error| not_sent(&error))?;
        Ok(response.into())
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&resolver, name.as_str()).await?;
            // The client replaces port 0 by the URL's port.
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

/// Maps the kind only: the client's error texts contain addresses, which callers must not see.
fn not_sent(error: &reqwest::Error) -> TransportError {
    if error.is_connect() {
        return not_connected(error);
    }
    if error.is_builder() { TransportError::Unbuildable } else { TransportError::Broken }
}

fn not_connected(error: &reqwest::Error) -> TransportError {
    let causes = || std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
    let io = || causes().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if let Some(tls) = io().find_map(tls_error) {
        return of_tls(tls);
    }
    if causes().any(|cause| cause.to_string().contains("certificate")) {
        return TransportError::Certificate(CertificateFault::Other);
    }
    let is_lookup = || causes().any(|cause| cause.to_string() == "dns error");
    let fault = match io().last() {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => ConnectFault::Refused,
        // The resolver's error has no code of the system.
        Some(error) if error.kind() == io::ErrorKind::HostUnreachable && error.raw_os_error().is_none() => {
            ConnectFault::NotAllowed
        }
        _ if is_lookup() => ConnectFault::NoName,
        _ if error.is_timeout() => ConnectFault::TimedOut,
        Some(error) if error.kind() == io::ErrorKind::TimedOut => ConnectFault::TimedOut,
        _ => ConnectFault::Other,
    };
    TransportError::Unreachable(fault)
}

/// The error of TLS in one of I/O, which may be in another one of I/O.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| tls_error(inner.downcast_ref()?))
}

/// Whether a certificate was refused because it is a CA certificate. rustls has no variant for this error.
#[must_use]
pub fn is_ca_as_end_entity(error: &dyn std::error::Error) -> bool {
    error.to_string().contains("CaUsedAsEndEntity")
}

fn of_tls(error: &rustls::Error) -> TransportError {
    use rustls::CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else {
        return if error.to_string().contains("certificate") {
            TransportError::Certificate(CertificateFault::Other)
        } else {
            TransportError::Unreachable(ConnectFault::Tls)
        };
    };
    TransportError::Certificate(match error {
        E::Expired | E::ExpiredContext { .. } => CertificateFault::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => CertificateFault::NotValidYet,
        E::UnknownIssuer => CertificateFault::UnknownIssuer,
        E::NotValidForName | E::NotValidForNameContext { .. } => CertificateFault::OtherName,
        E::Other(error) if is_ca_as_end_entity(error) => CertificateFault::CaAsEndEntity,
        _ => CertificateFault::Other,
    })
}

#[cfg(test)]
mod tests {

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::upstream::SystemLookup;
    use crate::upstream::lookups::Lookups;

    #[test]
    fn a_client_is_cheap_to_make() {
        let clients = Clients::new().unwrap();
        let lookups = Arc::new(Lookups::new(Arc::new(SystemLookup)));
        let began = crate::clock::monotonic();
        let made: Vec<HttpClient> = (0..1000)
            .map(|_| clients.client(&Resolver::new(Arc::clone(&lookups), None, None), true))
            .collect();
        println!("{:?} for {} clients", began.elapsed(), made.len());
        // Reading the machine's certificates for each client would take many times as long.
        assert!(began.elapsed().as_secs() < 1);
        assert!(made.iter().all(|client| client.reads.is_some() && client.writes.is_some()));
    }

    /// Answers every request at once and keeps its connections.
    async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin) {
        let mut part = [0; 4096];
        while socket.read(&mut part).await.is_ok_and(|count| count > 0) {
            if socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.is_err() {
                return;
            }
        }
    }

    /// A server under the certificate of the fixtures, or without TLS.
    async fn server(tls: Option<TlsAcceptor>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => answer(tls.accept(socket).await.unwrap()).await,
                        None => answer(socket).await,
                    }
                });
            }
        });
        url.parse().unwrap()
    }

    fn fixture(name: &str) -> String {
        format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn acceptor() -> TlsAcceptor {
        let chain = vec![CertificateDer::from_pem_file(fixture("valid.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    fn trusting_fixtures(resumption: bool) -> Clients {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
        let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        if !resumption {
            tls.resumption = rustls::client::Resumption::disabled();
        }
        Clients { tls: Arc::new(tls) }
    }

    async fn time_of(client: &HttpClient, connection: ConnectionChoice, url: &Url, times: u32) -> Duration {
        let began = crate::clock::monotonic();
        for _ in 0..times {
            let sent =
                client.send(connection, Method::POST, url.clone(), HeaderMap::new(), Some("{}".into()));
            let read = http_body_util::BodyExt::collect(sent.await.unwrap().into_body()).await;
            assert_eq!(read.unwrap().to_bytes(), "{}");
        }
        began.elapsed() / times
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "measures; run: cargo test --release --lib what_a_connection_for_each_write_costs -- --ignored --nocapture"]
    async fn what_a_connection_for_each_write_costs() {
        let lookups = Arc::new(Lookups::new(Arc::new(SystemLookup)));
        for (what, tls, resumption) in [
            ("plain", None, true),
            ("TLS, resumed", Some(acceptor()), true),
            ("TLS, new", Some(acceptor()), false),
        ] {
            let (url, clients) = (server(tls).await, trusting_fixtures(resumption));
            let client = clients.client(&Resolver::new(Arc::clone(&lookups), None, None), false);
            let (mut kept, mut new) = (Vec::new(), Vec::new());
            for _ in 0..11 {
                kept.push(time_of(&client, ConnectionChoice::Shared, &url, 50).await);
                new.push(time_of(&client, ConnectionChoice::New, &url, 50).await);
            }
            kept.sort();
            new.sort();
            println!("{what}: {:?} over a kept connection, {:?} over a new one", kept[5], new[5]);
            assert!(new[5] < kept[5] + Duration::from_millis(50));
        }
    }
}
