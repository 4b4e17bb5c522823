//! Connections that are ended before a request reaches the API: each kind has a log line and a counter.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::testbed::{PATIENCE, Testbed};

/// Sends `bytes` on a new connection; the status line of the response, if there is one.
pub(crate) async fn sent(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut head = [0; 12];
    // What is beyond the limit is not read.
    let _ = tokio::join!(
        tokio::time::timeout(Duration::from_secs(1), write.write_all(bytes)),
        tokio::time::timeout(PATIENCE, read.read_exact(&mut head))
    );
    String::from_utf8_lossy(&head).trim_end_matches('\0').to_owned()
}

/// The number of refused connections.
async fn refusals(bed: &Testbed) -> f64 {
    bed.scrape().await.values("gateway_connections_refused_total").iter().sum()
}

async fn is_told(bed: &Testbed, reason: &str, status: Option<u16>, count: f64) {
    let series = format!("gateway_connections_refused_total{{listener=\"api\",reason=\"{reason}\"}}");
    bed.series(&series, |value| value >= count).await;
    let line = bed
        .line(&json!({ "level": "INFO", "message": "a connection was refused before a request", "reason": reason, "client": "127.0.0.1", "listener": "api" }))
        .await;
    assert_eq!(line.get("status"), status.map(Value::from).as_ref(), "{line}");
    assert!(!bed.gateway.logged().contains("canary"));
}

#[tokio::test]
async fn a_head_that_the_library_refuses_has_a_line_and_is_counted() {
    let bed = Testbed::open().await;
    let host = "\r\nhost: canary\r\n\r\n";
    let (long, many) = ("canary".repeat(20_000), "canary: b\r\n".repeat(101));
    for (head, reason, status) in [
        (format!("GET /canary canary{host}"), "malformed request", 400),
        (format!("GET /ca nary HTTP/1.1{host}"), "malformed request", 400),
        (format!("GET / HTTP/1.1\r\ncanary canary{host}"), "malformed request", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "http/2 is not supported", 0),
        (format!("GET / HTTP/1.1\r\na: {long}{host}"), "head too large", 431),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "head too large", 431),
        (format!("GET /{} HTTP/1.1{host}", &long[..66_000]), "uri too long", 414),
    ] {
        let response = sent(&bed.gateway.address, head.as_bytes()).await;
        // Some get no response.
        let status = Some(status).filter(|status| *status > 0);
        assert_eq!(
            response,
            status.map_or_else(String::new, |status| format!("HTTP/1.1 {status}")),
            "{reason}"
        );
        is_told(&bed, reason, status, 1.0).await;
    }
    is_told(&bed, "malformed request", Some(400), 3.0).await;
    // Who only connects, or leaves, is not refused.
    let before = refusals(&bed).await;
    drop(TcpStream::connect(&bed.gateway.address).await.unwrap());
    let mut leaving = TcpStream::connect(&bed.gateway.address).await.unwrap();
    leaving.write_all(b"GET /canary").await.unwrap();
    drop(leaving);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let grown = refusals(&bed).await - before;
    assert!(grown.abs() < 0.5, "{grown}");
    let mut half = TcpStream::connect(&bed.gateway.address).await.unwrap();
    half.write_all(b"GET /canary").await.unwrap();
    is_told(&bed, "head not complete in time", None, 1.0).await;
}

#[tokio::test]
async fn a_failed_tls_handshake_has_a_line_and_is_counted() {
    let bed = Testbed::with_tls("valid.pem").await;
    let tls = bed.line(&json!({ "message": "listening" })).await["address"].as_str().unwrap().to_owned();
    // A client that does not trust the authority.
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let stream = TcpStream::connect(&tls).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    assert!(connector.connect("127.0.0.1".try_into().unwrap(), stream).await.is_err());
    is_told(&bed, "certificate refused by the client", None, 1.0).await;
    let mut config =
        ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(&tls).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    assert!(connector.connect("127.0.0.1".try_into().unwrap(), stream).await.is_err());
    is_told(&bed, "no http/1.1 among the client's protocols", None, 1.0).await;
    sent(&tls, b"GET /canary HTTP/1.1\r\n\r\n").await;
    is_told(&bed, "no tls", Some(400), 1.0).await;
    sent(&tls, b"\x16\x03\x01\x00\x06canary").await;
    is_told(&bed, "tls handshake failed", None, 1.0).await;
    // Who leaves in the handshake is told apart from one that fails, so that no alert counts it.
    for reset in [false, true] {
        let mut leaving = TcpStream::connect(&tls).await.unwrap();
        leaving.write_all(&[22, 3, 1, 0, 200, 1]).await.unwrap();
        if reset {
            // What has not arrived is lost with the reset.
            tokio::time::sleep(Duration::from_millis(300)).await;
            leaving.set_zero_linger().unwrap();
        }
        drop(leaving);
    }
    is_told(&bed, "client left during the tls handshake", None, 2.0).await;
    // Nor is a client without TLS that hangs up before it has read why.
    let mut leaving = TcpStream::connect(&tls).await.unwrap();
    leaving.write_all(b"GET /canary HTTP/1.1\r\n\r\n").await.unwrap();
    leaving.set_zero_linger().unwrap();
    drop(leaving);
    // A health check that only connects.
    drop(TcpStream::connect(&tls).await.unwrap());
    let mut half = TcpStream::connect(&tls).await.unwrap();
    half.write_all(&[22, 3, 1, 0, 200, 1]).await.unwrap();
    is_told(&bed, "tls handshake not complete in time", None, 1.0).await;
    let series = "gateway_connections_refused_total{reason=\"tls handshake failed\"}";
    assert_eq!(bed.scrape().await.values(series), [1.0]);
}
