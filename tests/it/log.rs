//! What the log never says, at its most talkative level. Lines of requests, which the binary writes, are tested in `ops`.

use std::cell::RefCell;

use axum::body::Body;

use crate::test_gateway::{TestGateway, signed};

thread_local! {
    /// The lines of this test's thread: the subscriber is the whole process's.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_neither_ids_nor_values() {
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(|| Lines).finish()).unwrap();
    let edge = TestGateway::open().await;
    let uri = "/2024-03/one/crm/contacts/con_hush1?credentialId=hush2&emailAddress=hush3@example.com";
    let request =
        signed("PATCH", uri).header("x-request-id", "id-7").header("content-type", "application/json");
    edge.send(request.body(Body::from(r#"{"lastName":"hush4"}"#)).unwrap()).await;
    edge.ask("GET", "/crm/contacts/con_hush1?credentialId=hush2").await;
    edge.ask("GET", "/hush5").await;
    edge.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    edge.ask("GET", "/readyz").await;
    let log = LINES.with_borrow(|lines| String::from_utf8(lines.clone()).unwrap());
    assert!(log.contains("internal failure"), "{log}");
    assert!(!log.contains("hush") && !log.contains("a secret in the payload"), "{log}");
}
