//! The cases that are measured: what a caller sends to the gateway, and what nginx passes on instead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bodies;
use crate::load::Requests;
use crate::processes::Gateway;

/// The numbers of contacts that were created; each create has another identity.
static CREATED: AtomicU32 = AtomicU32::new(1_000_000);

/// One measured operation.
pub(crate) struct Case {
    /// Its name in files and arguments.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) provider: Provider,
    pub(crate) requests: Requests,
    /// What nginx passes on: the one call that dominates.
    pub(crate) reference: Requests,
    /// Requests before and while instructions are counted; 0 leaves the case out.
    pub(crate) counted: (u32, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Pipeline,
    Aptly,
}

/// How the parts of requests are written.
struct Writer {
    host: SocketAddr,
    key: String,
    pipeline: String,
    aptly: String,
}

impl Writer {
    fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", self.host, self.key)
            .into()
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.host,
            self.key,
            body.len()
        )
        .into()
    }

    fn create(&self, number: u32, headers: &str) -> Vec<u8> {
        let path = format!("/crm/contacts?credentialId={}", self.pipeline);
        let body = format!(
            "{{\"firstName\":\"Jane\",\"lastName\":\"Doe\",\"emailAddresses\":[{{\"emailAddress\":\"jane{number:07}@example.com\"}}],\
             \"phoneNumbers\":[{{\"phoneNumber\":\"{}\"}}]}}",
            bodies::phone(number)
        );
        self.send("POST", &path, headers, &body)
    }
}

fn next() -> u32 {
    CREATED.fetch_add(1, Ordering::Relaxed)
}

/// All cases against `gateway`.
#[expect(clippy::too_many_lines, reason = "a table: one entry a case")]
pub(crate) fn all(gateway: &Gateway) -> Vec<Case> {
    let writer = Arc::new(Writer {
        host: gateway.address,
        key: gateway.key.clone(),
        pipeline: gateway.pipeline.clone(),
        aptly: gateway.aptly.clone(),
    });
    let with = |make: fn(&Writer, u32, u32) -> Vec<u8>| -> Requests {
        let writer = Arc::clone(&writer);
        Arc::new(move |connection, sent| make(&writer, connection, sent))
    };
    let plain = |make: fn() -> Vec<u8>| -> Requests { Arc::new(move |_, _| make()) };
    let pipeline = |key, title, requests, reference, counted| Case {
        key,
        title,
        provider: Provider::Pipeline,
        requests,
        reference,
        counted,
    };
    vec![
        pipeline(
            "get",
            "pipeline: get",
            with(|writer, connection, _| {
                let id = bodies::id(connection);
                writer.get(&format!("/crm/contacts/{id}?credentialId={}", writer.pipeline))
            }),
            plain(|| passed_get(&format!("/api/contacts/{}", bodies::id(1)))),
            (30, 200),
        ),
        pipeline(
            "list-pipeline",
            "pipeline: list of 100",
            with(|writer, _, _| writer.get(&listed(&writer.pipeline, 100))),
            plain(|| passed_get("/api/contacts?page=1&size=100")),
            (3, 10),
        ),
        Case {
            key: "list-aptly",
            title: "Aptly: 100 of a page of 200",
            provider: Provider::Aptly,
            requests: with(|writer, _, _| writer.get(&listed(&writer.aptly, 100))),
            reference: plain(|| passed_get("/api/contacts?page=0")),
            counted: (3, 10),
        },
        pipeline(
            "create",
            "pipeline: create",
            with(|writer, _, _| writer.create(next(), "")),
            plain(passed_create),
            (10, 50),
        ),
        pipeline(
            "keyed-create",
            "pipeline: create with Idempotency-Key",
            with(|writer, _, _| {
                let number = next();
                writer.create(number, &format!("Idempotency-Key: bench-{number}\r\n"))
            }),
            plain(passed_create),
            (10, 50),
        ),
        pipeline(
            "update",
            "pipeline: update",
            with(|writer, connection, _| {
                let path =
                    format!("/crm/contacts/{}?credentialId={}", bodies::id(connection), writer.pipeline);
                writer.send("PATCH", &path, "", &format!("{{\"firstName\":\"Jane{}\"}}", next()))
            }),
            plain(passed_create),
            (10, 50),
        ),
        pipeline(
            "one-identity",
            "pipeline: creates of one identity",
            with(|writer, _, _| writer.create(7, "")),
            plain(passed_create),
            (0, 0),
        ),
    ]
}

/// The path of a list of `rows` contacts.
fn listed(credential: &str, rows: u32) -> String {
    format!("/crm/contacts?credentialId={credential}&pageNumber=1&pageSize={rows}")
}

/// Lists of `rows` contacts of `credential`.
pub(crate) fn lists(gateway: &Gateway, credential: &str, rows: u32) -> Requests {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        listed(credential, rows),
        gateway.address,
        gateway.key
    );
    Arc::new(move |_, _| request.clone().into())
}

fn passed_get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: crm\r\nAuthorization: Bearer t\r\n\r\n").into()
}

fn passed_create() -> Vec<u8> {
    let body = format!(
        "{{\"firstName\":\"Jane\",\"lastName\":\"Doe\",\"phoneNumber\":[{{\"value\":\"{}\",\"isPrimary\":true}}],\
         \"email\":\"jane@example.com\"}}",
        bodies::phone(1)
    );
    format!(
        "POST /api/contact HTTP/1.1\r\nHost: crm\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
