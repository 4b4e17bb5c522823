//! The CRMs behind gateway and nginx: pre-rendered bodies, no work.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::bodies;

/// The rows of one page of Aptly's list.
const APTLY_ROWS: u32 = 200;

/// Both CRMs on one address each.
pub(crate) struct Mock {
    pub(crate) pipeline: SocketAddr,
    pub(crate) aptly: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

/// What was sent to the CRMs.
#[derive(Default)]
pub(crate) struct Seen {
    calls: AtomicU64,
    connections: AtomicU64,
    /// First names that updates gave, by contact.
    names: Mutex<HashMap<u32, String>>,
}

impl Seen {
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Pages by their number of rows, rendered once.
struct Pages {
    pipeline: Vec<Bytes>,
    aptly: Bytes,
}

impl Mock {
    /// Serves on the current runtime.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let seen = Arc::new(Seen::default());
        let pages = Arc::new(Pages {
            pipeline: (0..=100).map(|rows| bodies::pipeline_page(rows).into()).collect(),
            aptly: bodies::aptly_page(APTLY_ROWS).into(),
        });
        let pipeline = serve(&seen, &pages, pipeline).await?;
        let aptly = serve(&seen, &pages, aptly).await?;
        Ok(Self { pipeline, aptly, seen })
    }
}

type Respond = fn(&Seen, &Pages, &Method, &str, &str, &str) -> (u16, Bytes);

async fn serve(seen: &Arc<Seen>, pages: &Arc<Pages>, respond: Respond) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (seen, pages) = (Arc::clone(seen), Arc::clone(pages));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            seen.connections.fetch_add(1, Ordering::Relaxed);
            let (seen, pages) = (Arc::clone(&seen), Arc::clone(&pages));
            let service =
                service_fn(move |request| answered(Arc::clone(&seen), Arc::clone(&pages), respond, request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(address)
}

async fn answered(
    seen: Arc<Seen>,
    pages: Arc<Pages>,
    respond: Respond,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    seen.calls.fetch_add(1, Ordering::Relaxed);
    let body = String::from_utf8_lossy(&body);
    let (status, body) =
        respond(&seen, &pages, &head.method, head.uri.path(), head.uri.query().unwrap_or_default(), &body);
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn pipeline(
    seen: &Seen,
    pages: &Pages,
    method: &Method,
    path: &str,
    query: &str,
    body: &str,
) -> (u16, Bytes) {
    let single = path.strip_prefix("/api/contacts/").and_then(bodies::of_id);
    match (method.as_str(), path, single) {
        ("GET", "/api/contacts", _) if query.contains("search=") => (200, bodies::PIPELINE_NOBODY.into()),
        ("GET", "/api/contacts", _) => {
            let size = query.split('&').find_map(|part| part.strip_prefix("size="));
            let size = size.and_then(|size| size.parse::<usize>().ok()).unwrap_or(50);
            (200, pages.pipeline[size.min(100)].clone())
        }
        ("GET", "/api/auth/verify-token", _) => (200, "{\"success\":true}".into()),
        ("POST", "/api/contact", _) => match bodies::of_phone(body) {
            Some(number) => (200, bodies::pipeline_written(number, "Jane").into()),
            None => (400, "{\"success\":false}".into()),
        },
        ("GET", _, Some(number)) => {
            let names = seen.names.lock();
            let name = names.get(&number).map_or("Jane", String::as_str);
            (200, bodies::pipeline_single(number, name).into())
        }
        ("PATCH", _, Some(number)) => {
            let name = text(body, "firstName").unwrap_or_default().to_owned();
            let written = bodies::pipeline_written(number, &name);
            seen.names.lock().insert(number, name);
            (200, written.into())
        }
        _ => (404, "{\"success\":false,\"message\":\"Not found\"}".into()),
    }
}

fn aptly(_: &Seen, pages: &Pages, method: &Method, path: &str, _: &str, _: &str) -> (u16, Bytes) {
    match (method.as_str(), path) {
        ("GET", "/api/contacts") => (200, pages.aptly.clone()),
        _ => (404, "{\"message\":\"Not found\"}".into()),
    }
}

/// The text of the field `name`, which has no escapes.
fn text<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split_once('"')?.0)
}
