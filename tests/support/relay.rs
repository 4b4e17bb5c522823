//! A server on loopback that passes calls on to a CRM and notes both sides.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;

/// One call with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

/// The server; it stops with the test's runtime.
#[derive(Clone)]
pub(crate) struct Relay {
    seen: Arc<Mutex<Vec<Exchange>>>,
    client: reqwest::Client,
    crm: String,
    address: String,
}

impl Relay {
    pub(crate) async fn before(crm: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "a caller of the simulators, not of an upstream")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let relay = Self { seen: Arc::default(), client, crm: crm.to_owned(), address };
        let router = Router::new().fallback(pass_on).with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        relay
    }

    pub(crate) fn base_url(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().unwrap().clone()
    }
}

async fn pass_on(State(relay): State<Relay>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut call = relay.client.request(method.clone(), format!("{}{uri}", relay.crm));
    for name in ["x-token", "authorization", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            call = call.header(name, value);
        }
    }
    let body = String::from_utf8(to_bytes(request.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap();
    let answer = call.body(body.clone()).send().await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    let text = answer.text().await.unwrap();
    relay.seen.lock().unwrap().push(Exchange {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body,
        status,
        answer: text.clone(),
    });
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(text)).unwrap()
}
