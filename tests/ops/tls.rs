//! TLS of the listener: from certificate files, reloaded when they change, bounded like every other connection.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::front::fixture;
use crate::gateway_process::{GatewayProcess, master_key};
use crate::testbed::{Testbed, hang_up_until};

/// A gateway with TLS. Its files are `tls.crt` and `tls.key` in the folder.
struct Secured {
    folder: tempfile::TempDir,
    gateway: GatewayProcess,
    key: String,
}

impl Secured {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "valid.pem", "tls.crt");
        put(folder.path(), "server.key", "tls.key");
        let key = master_key();
        let settings = [("GATEWAY_TLS_CERTIFICATE", "tls.crt"), ("GATEWAY_TLS_KEY", "tls.key")];
        let gateway = GatewayProcess::start(folder.path(), "log", &key, &settings).await;
        Self { folder, gateway, key }
    }

    fn put(&self, fixture: &str, name: &str) {
        put(self.folder.path(), fixture, name);
    }

    /// Connects as a client that trusts the tests' authority. Returns the certificate that the server shows.
    async fn connect(&self) -> std::io::Result<(tokio_rustls::client::TlsStream<TcpStream>, Vec<u8>)> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(&self.gateway.address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok((stream, shown))
    }

    fn run(&self, args: &[&str], envs: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("GATEWAY_MASTER_KEY", &self.key).envs(envs.iter().copied()).args(args).output().unwrap()
    }
}

fn put(folder: &Path, fixture_name: &str, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    // As a secret is mounted: in one step.
    let new = folder.join("new");
    std::fs::copy(fixture(fixture_name), &new).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(new, folder.join(name)).unwrap();
}

/// The response to `request`, read to the end of the connection.
async fn ask(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    request: &str,
) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

const READY: &str = "GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn https_is_served_and_a_new_certificate_is_used_without_a_restart() {
    let secured = Secured::start().await;
    let (kept, first) = secured.connect().await.unwrap();
    // Not the certificate of this key, half a file, no file: the old one stays.
    for broken in ["ca.pem", "half", "none"] {
        match broken {
            "half" => {
                let whole = std::fs::read(fixture("valid.pem")).unwrap();
                std::fs::write(secured.folder.path().join("tls.crt"), &whole[..whole.len() / 2]).unwrap();
            }
            "none" => std::fs::remove_file(secured.folder.path().join("tls.crt")).unwrap(),
            fixture => secured.put(fixture, "tls.crt"),
        }
        hang_up_until(&secured.gateway, "the TLS certificate was not reloaded").await;
        assert_eq!(secured.connect().await.unwrap().1, first, "{broken}");
    }
    secured.put("wrong_host.pem", "tls.crt");
    hang_up_until(&secured.gateway, "the TLS certificate was reloaded").await;
    assert!(secured.connect().await.is_err(), "it is for another host");
    assert!(ask(kept, READY).await.unwrap().starts_with("HTTP/1.1 200"), "an open connection goes on");
    // Without a signal, within seconds.
    secured.put("valid.pem", "tls.crt");
    let began = Instant::now();
    while secured.connect().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!secured.gateway.logged().contains("BEGIN"));
}

#[tokio::test]
async fn the_log_and_the_metrics_say_when_the_certificate_expires() {
    let warning = "has expired at 2021-01-01T00:00:00Z";
    let bed = Testbed::with_tls("expired.pem").await;
    let series = "gateway_tls_certificate_expiry_timestamp_seconds";
    bed.series(series, |at| (at - 1_609_459_200.0).abs() < 1.0).await;
    let message = format!("the TLS certificate {} {warning}", fixture("expired.pem"));
    bed.line(&serde_json::json!({ "level": "WARN", "message": message })).await;
    let warned =
        || bed.lines().iter().filter(|line| line["message"].as_str().unwrap().contains(warning)).count();
    assert_eq!(warned(), 1, "{}", bed.gateway.logged());
    let secured = Secured::start().await;
    secured.put("expired.pem", "tls.crt");
    // At the next look at the files, which is every 10 seconds.
    let began = Instant::now();
    while !secured.gateway.logged().contains(warning) {
        assert!(began.elapsed() < Duration::from_secs(25));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_told_or_disconnected() {
    let secured = Secured::start().await;
    let connect = async || TcpStream::connect(&secured.gateway.address).await.unwrap();
    let plain = ask(connect().await, READY).await.unwrap();
    assert!(plain.starts_with("HTTP/1.1 400 ") && plain.contains("https://"), "{plain}");
    // A client that says nothing, and one that stops in the handshake.
    for sent in [&b""[..], &[22, 3, 1, 0, 200, 1]] {
        let (mut silent, began) = (connect().await, Instant::now());
        silent.write_all(sent).await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(15), silent.read(&mut [0; 64])).await;
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
        assert!((9..13).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn the_commands_reach_a_gateway_with_tls() {
    let secured = Secured::start().await;
    let address = &secured.gateway.address;
    let tls = [("GATEWAY_TLS_CERTIFICATE", "tls.crt"), ("GATEWAY_TLS_KEY", "tls.key")];
    let healthy = secured.run(&["healthcheck", "--listen", address], &tls);
    assert!(healthy.status.success(), "{}", String::from_utf8_lossy(&healthy.stderr));
    let url = format!("https://{address}");
    let export = |authority: &str| {
        let key = ("GATEWAY_API_KEY", "cg_unknown");
        let output = secured
            .run(&["export", "--url", &url, "--credential", "c"], &[key, ("SSL_CERT_FILE", authority)]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(export(&fixture("ca.pem")).contains("unauthenticated"), "{}", export(&fixture("ca.pem")));
    let stranger = export(&fixture("self_signed.pem"));
    assert!(stranger.contains("cannot be reached") && stranger.contains("certificate"), "{stranger}");
    // A self-signed CA certificate: trusting it does not help.
    secured.put("self_signed.pem", "tls.crt");
    let began = Instant::now();
    let told = loop {
        let told = export(&fixture("self_signed.pem"));
        if told.contains("CA:TRUE") || began.elapsed() > Duration::from_secs(20) {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(told.contains("its certificate is a CA certificate (CA:TRUE)"), "{told}");
}

#[test]
fn a_pair_that_cannot_be_used_is_a_fault_and_a_key_that_all_may_read_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (fixture, name) in [("valid.pem", "tls.crt"), ("ca.pem", "other.crt"), ("server.key", "tls.key")] {
        put(folder.path(), fixture, name);
    }
    let key = master_key();
    let check = |certificate: &str, private: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        command.env_clear().current_dir(folder.path()).arg("check-config").env("GATEWAY_MASTER_KEY", &key);
        for (name, value) in [("GATEWAY_TLS_CERTIFICATE", certificate), ("GATEWAY_TLS_KEY", private)] {
            if !value.is_empty() {
                command.env(name, value);
            }
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (certificate, private, says) in [
        ("tls.crt", "", "GATEWAY_TLS_CERTIFICATE: needs `tls_key` too"),
        ("", "tls.key", "GATEWAY_TLS_KEY: needs `tls_certificate` too"),
        ("none", "tls.key", "the file with the certificate cannot be read"),
        ("tls.crt", "-----BEGIN PRIVATE KEY-----canary", "the file with the private key cannot be read"),
        ("tls.key", "tls.key", "tls.key has no certificate in PEM"),
        ("tls.crt", "tls.crt", "tls.crt has no private key"),
        ("other.crt", "tls.key", "does not belong to the certificate other.crt"),
    ] {
        let (code, said) = check(certificate, private);
        assert!(code == Some(2) && said.contains(says) && !said.contains("canary"), "{says}: {said}");
    }
    let (code, said) = check("tls.crt", "tls.key");
    assert!(code == Some(0) && !said.contains("warning"), "{said}");
    assert!(said.contains("the TLS certificate tls.crt expires at 2126-10-28T21:54:09Z"), "{said}");
    put(folder.path(), "expired.pem", "tls.crt");
    let (code, said) = check("tls.crt", "tls.key");
    assert!(
        code == Some(0) && said.contains("warning: the TLS certificate tls.crt has expired at 2021"),
        "{said}"
    );
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("tls.key"), readable).unwrap();
    let (code, said) = check("tls.crt", "tls.key");
    assert!(code == Some(0) && said.contains("warning: every user of this machine may read"), "{said}");
}
