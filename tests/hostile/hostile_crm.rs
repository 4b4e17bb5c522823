//! Hostile CRMs, each on its own host.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::raw_request::{self, RawRequest};

/// The kinds of hostile CRM. A kind without a branch in [`serve`] never responds.
const HARMS: &[&str] = &[
    "fields",
    "large",
    "rows",
    "matches",
    "custom",
    "interim",
    "bytes",
    "gzip",
    "pause",
    "hanging-create",
    "writes",
    "hanging",
];
/// The longest duration of a reply, so that an attack holds limited resources.
const LONGEST: Duration = Duration::from_mins(1);
const HEADERS: &str = "content-type: application/json\r\n";

/// Replies that are prepared once.
struct Bodies {
    fields: Vec<u8>,
    large: Vec<u8>,
    tiny_rows: Vec<u8>,
    matches: Vec<u8>,
    custom_fields: Vec<u8>,
}

/// One host per kind, so that failures of one do not pause calls to another.
pub(crate) struct HostileCrms(BTreeMap<&'static str, String>);

impl HostileCrms {
    /// Listens until the runtime ends.
    pub(crate) async fn start() -> Self {
        let (bodies, mut addresses) = (Arc::new(Bodies::new()), BTreeMap::new());
        for harm in HARMS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.insert(*harm, listener.local_addr().unwrap().to_string());
            tokio::spawn(accept(listener, harm, Arc::clone(&bodies)));
        }
        Self(addresses)
    }

    /// `127.0.0.1:<port>` of the host of this kind.
    pub(crate) fn address(&self, harm: &str) -> &str {
        self.0.get(harm).unwrap_or_else(|| panic!("no host does {harm}"))
    }
}

async fn accept(listener: TcpListener, harm: &'static str, bodies: Arc<Bodies>) {
    while let Ok((socket, _)) = listener.accept().await {
        let bodies = Arc::clone(&bodies);
        tokio::spawn(async move {
            // The gateway may close the connection; that is a defence.
            let _ = tokio::time::timeout(LONGEST, serve(socket, harm, &bodies)).await;
        });
    }
}

async fn serve(mut socket: TcpStream, harm: &str, bodies: &Bodies) -> std::io::Result<()> {
    while let Some(request) = raw_request::read(&mut socket).await? {
        let RawRequest { method, path, body, .. } = request;
        let is_single = path.trim_start_matches("/api/contacts").len() > 1;
        match (harm, method.as_str()) {
            ("fields", _) => reply(&mut socket, "", &bodies.fields).await?,
            ("large", _) => reply(&mut socket, "", &bodies.large).await?,
            ("rows", _) => reply(&mut socket, "content-encoding: gzip\r\n", &bodies.tiny_rows).await?,
            ("matches", _) => reply(&mut socket, "", &bodies.matches).await?,
            ("custom", _) => reply(&mut socket, "", &bodies.custom_fields).await?,
            ("interim", _) => {
                endless(&mut socket, "", &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(500)).await?;
            }
            ("bytes", _) => {
                let head = format!("HTTP/1.1 200 OK\r\n{HEADERS}transfer-encoding: chunked\r\n\r\n");
                endless(&mut socket, &head, &"1\r\n \r\n".repeat(1000)).await?;
            }
            ("gzip", _) => {
                let head = format!("HTTP/1.1 200 OK\r\n{HEADERS}content-encoding: gzip\r\n\r\n");
                // The flag for a file name, which never ends.
                endless(&mut socket, &format!("{head}\x1f"), "").await?;
            }
            ("pause", _) => {
                let head = format!("HTTP/1.1 429 Too Many Requests\r\n{HEADERS}retry-after: 3600\r\n");
                socket.write_all(format!("{head}content-length: 2\r\n\r\n{{}}").as_bytes()).await?;
            }
            // Lookups find nobody; then the create hangs.
            ("hanging-create" | "writes", "GET") if !is_single => reply(&mut socket, "", &nobody()).await?,
            ("writes", "GET") => {
                reply(&mut socket, "", &large_record(path.rsplit('/').next().unwrap())).await?;
            }
            ("writes", _) => {
                let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
                let phone = sent["phoneNumber"][0]["value"].as_str().unwrap_or_default();
                let record = json!({ "data": { "contact": { "_id": phone.trim_start_matches('+') } } });
                reply(&mut socket, "", record.to_string().as_bytes()).await?;
            }
            _ => {
                // No response, until the gateway gives up.
                while socket.read(&mut [0; 1024]).await? > 0 {}
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn reply(socket: &mut TcpStream, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\n{HEADERS}{headers}content-length: {}\r\n\r\n", body.len());
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body).await
}

/// Sends `head`, then `part` repeatedly, at most about 10 MB a second.
async fn endless(socket: &mut TcpStream, head: &str, part: &str) -> std::io::Result<()> {
    socket.write_all(head.as_bytes()).await?;
    // An empty part stands for a gzip header whose file name does not end.
    if part.is_empty() {
        socket.write_all(&[0x8b, 8, 8, 0, 0, 0, 0, 0, 3]).await?;
    }
    let part = if part.is_empty() { "n".repeat(10_000) } else { part.to_owned() };
    loop {
        socket.write_all(part.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn nobody() -> Vec<u8> {
    json!({ "data": { "contacts": [], "total": 0 } }).to_string().into_bytes()
}

fn large_record(phone: &str) -> Vec<u8> {
    let record = json!({ "_id": phone, "firstName": "Ada", "lastName": "Okafor",
        "phoneNumber": [{ "value": format!("+{phone}"), "isPrimary": true }], "notes": "n".repeat(4_900_000) });
    json!({ "data": { "contact": record } }).to_string().into_bytes()
}

impl Bodies {
    fn new() -> Self {
        let list = |rows: &[Value]| {
            json!({ "data": { "contacts": rows, "total": rows.len() } }).to_string().into_bytes()
        };
        let mut fields: Map<String, Value> = (0..30_000).map(|n| (format!("f{n}"), json!(0))).collect();
        fields.insert("_id".to_owned(), json!("1"));
        // The record, for single reads, and a list with it, for lists.
        let mut both = fields.clone();
        both.insert("data".to_owned(), json!({ "contacts": [fields], "total": 1 }));
        let row = |n: u32| json!({ "_id": n.to_string(), "firstName": "A", "note": "n".repeat(110) });
        let large: Vec<Value> = (0..30_000).map(row).collect();
        let same =
            |n: u32| json!({ "_id": n.to_string(), "email": "a@example.com", "phoneNumber": "+14155550100" });
        let matches: Vec<Value> = (0..40_000).map(same).collect();
        let custom: Map<String, Value> =
            (0..60_000).map(|n| (format!("f{n}"), json!({ "name": format!("n{n}") }))).collect();
        let record = json!({ "_id": "1", "firstname": "Ada", "lastname": "Okafor", "email": ["a@example.com"],
            "createdAt": "2026-05-01T14:30:00.000Z", "updatedAt": "2026-05-01T14:30:00.000Z",
            "customFields": custom, "data": [] });
        Self {
            fields: Value::Object(both).to_string().into_bytes(),
            large: list(&large),
            tiny_rows: tiny_rows(),
            matches: list(&matches),
            custom_fields: record.to_string().into_bytes(),
        }
    }
}

/// 436,890 rows with only an id, compressed: about 25 KB.
fn tiny_rows() -> Vec<u8> {
    let rows = vec![r#"{"_id":"a"}"#; 436_890].join(",");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(format!(r#"{{"data":[{rows}]}}"#).as_bytes()).unwrap();
    packed.finish().unwrap()
}
