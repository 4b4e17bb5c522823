//! TLS of a listener. The certificate is reloaded when its files change. If the new pair cannot be used, the previous one stays in use.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription as Alert, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate_expiry::CertificateExpiry;
use super::connection_state::TimedIo;
use crate::config::{TlsFiles, TlsPem};
use crate::telemetry::{ConnectionRefusal, RepeatLimit, series};

/// How often the files are compared with what was read before.
const CHECKED_EVERY: Duration = Duration::from_secs(10);
/// The first byte of a TLS connection, which no text begins with.
const HANDSHAKE: u8 = 22;
/// How often the operator is warned of the same certificate.
const WARNED_EVERY: Duration = Duration::from_hours(24);
const NOT_TLS: &str = "This port serves HTTPS. Use a URL that begins with https://.\n";

/// The TLS of a listener.
#[derive(Clone)]
pub(in crate::app) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<CurrentCertificate>,
}

struct CurrentCertificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// A digest of what was read last, whether it could be used or not; `None` if it could not be read.
    seen: Mutex<Option<u64>>,
}

impl std::fmt::Debug for CurrentCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(formatter)
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

impl Tls {
    /// Reads the files. Fails with a sentence.
    pub(in crate::app) fn new(files: TlsFiles) -> Result<Self, String> {
        let provider = Arc::new(default_provider());
        let pem = files.read()?;
        let current = RwLock::new(Arc::new(parse(&pem, &files, &provider)?));
        let seen = Mutex::new(Some(digest(&pem)));
        let certificate = Arc::new(CurrentCertificate { files, provider: provider.clone(), current, seen });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        // The server speaks nothing else.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// Reads the files again if they changed, and logs what became of it.
    pub(in crate::app) fn reload(&self) {
        let CurrentCertificate { files, provider, current, seen } = &*self.certificate;
        // Held to the end, so that what was read last is also what is used.
        let mut seen = seen.lock();
        let pem = files.read();
        let digest = pem.as_ref().ok().map(digest);
        if std::mem::replace(&mut *seen, digest) == digest {
            return;
        }
        match pem.and_then(|pem| parse(&pem, files, provider)) {
            Ok(certified) => {
                *current.write() = Arc::new(certified);
                tracing::info!(certificate = %files.certificate.display(), "the TLS certificate was reloaded");
            }
            Err(reason) => {
                tracing::warn!(%reason, "the TLS certificate was not reloaded; the previous one stays in use");
            }
        }
    }

    /// When the certificate in use expires; `None` if it cannot be told.
    pub(in crate::app) fn expiry(&self) -> Option<CertificateExpiry> {
        let CurrentCertificate { files, current, .. } = &*self.certificate;
        CertificateExpiry::of(files.certificate.clone(), &current.read().cert)
    }

    /// Reloads the certificate whenever its files change. Shows when it expires, and warns before that.
    pub(in crate::app) async fn watch(self) {
        let (mut ticks, warned) = (crate::clock::every(CHECKED_EVERY), RepeatLimit::new(WARNED_EVERY));
        let mut is_unknown_logged = false;
        loop {
            ticks.tick().await;
            let tls = self.clone();
            // It fails only if it panics, which is logged.
            let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
            let expiry = self.expiry();
            series::certificate_expires(expiry.as_ref().map(|expiry| expiry.at));
            match expiry {
                Some(expiry) if expiry.needs_warning() && warned.due(&expiry.to_string()).is_some() => {
                    tracing::warn!("{expiry}");
                }
                None if !std::mem::replace(&mut is_unknown_logged, true) => {
                    let certificate = self.certificate.files.certificate.display();
                    tracing::warn!(%certificate, "the TLS certificate has no expiry that can be read, so no alert warns of it");
                }
                _ => {}
            }
        }
    }

    /// The TLS connection over `io`. A caller who speaks plain HTTP gets a response that says so.
    pub(super) async fn accept(
        &self,
        mut io: TimedIo<TcpStream>,
    ) -> io::Result<TlsStream<TimedIo<TcpStream>>> {
        let mut first = [0];
        if io.io.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            // What was sent must be read, else the system cuts off the response.
            let mut request = [0; 8192];
            let _ = io.read(&mut request).await;
            let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain";
            let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{NOT_TLS}", NOT_TLS.len());
            // A client that has hung up spoke no TLS either.
            let _ = io.write_all(response.as_bytes()).await;
            let _ = io.shutdown().await;
            return Err(io::Error::other(PlainHttp));
        }
        self.acceptor.accept(io).await
    }
}

/// The error of a caller without TLS.
#[derive(Debug, thiserror::Error)]
#[error("plain HTTP")]
struct PlainHttp;

/// Why a handshake failed.
pub(super) fn handshake_refusal(error: &io::Error) -> ConnectionRefusal {
    use io::ErrorKind as K;
    if matches!(error.kind(), K::UnexpectedEof | K::ConnectionReset | K::BrokenPipe) {
        return ConnectionRefusal::TlsAborted;
    }
    let Some(cause) = error.get_ref() else { return ConnectionRefusal::TlsFailed };
    if cause.is::<PlainHttp>() {
        return ConnectionRefusal::PlainHttp;
    }
    match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::NoApplicationProtocol) => ConnectionRefusal::NoHttp1,
        Some(rustls::Error::PeerIncompatible(_)) => ConnectionRefusal::TlsIncompatible,
        Some(rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA,
        )) => ConnectionRefusal::CertificateRefused,
        _ => ConnectionRefusal::TlsFailed,
    }
}

fn digest(pem: &TlsPem) -> u64 {
    let mut hasher = DefaultHasher::new();
    (pem.certificate.as_str(), pem.key.as_str()).hash(&mut hasher);
    hasher.finish()
}

fn parse(pem: &TlsPem, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let TlsFiles { certificate, key } = files;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("{} is not valid PEM: {error}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("{} has no certificate in PEM", certificate.display()));
    }
    let secret = PrivateKeyDer::from_pem_slice(pem.key.as_bytes())
        .map_err(|_| format!("{} has no private key in PEM that can be read", key.display()))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!(
                "the private key {} does not belong to the certificate {}",
                key.display(),
                certificate.display()
            )
        }
        error => format!("{} and {} cannot be used: {error}", certificate.display(), key.display()),
    })
}
