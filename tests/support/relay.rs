//! A server on loopback that passes calls on to a CRM, or to the one of several whose token they bear, and notes both sides.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use contacts_gateway::simulators::Running;
use http::HeaderMap;

/// One call with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

/// The server; it stops with the test's runtime.
#[derive(Clone)]
pub(crate) struct Relay {
    seen: Arc<Mutex<Vec<Exchange>>>,
    client: reqwest::Client,
    /// Tokens and where they lead; the first CRM gets what bears none of them.
    crms: Vec<(String, String)>,
    address: String,
}

impl Relay {
    pub(crate) async fn before(crm: &str) -> Self {
        Self::to(vec![(String::new(), crm.to_owned())]).await
    }

    /// One address for several companies, as a CRM in the cloud has it.
    pub(crate) async fn between(crms: &[&Running]) -> Self {
        let of = |crm: &&Running| {
            let url = crm.base_url();
            crm.tokens().iter().map(|token| (token.clone(), url.clone())).collect::<Vec<_>>()
        };
        Self::to(crms.iter().flat_map(of).collect()).await
    }

    async fn to(crms: Vec<(String, String)>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "a caller of the simulators, not of an upstream")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let relay = Self { seen: Arc::default(), client, crms, address };
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

    fn crm(&self, headers: &HeaderMap) -> &str {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = header("authorization").trim_start_matches("Bearer ");
        let bears = |token: &str| token == header("x-token") || token == bearer;
        &self.crms.iter().find(|(token, _)| bears(token)).unwrap_or(&self.crms[0]).1
    }
}

async fn pass_on(State(relay): State<Relay>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut call = relay.client.request(method.clone(), format!("{}{uri}", relay.crm(request.headers())));
    for name in ["x-token", "authorization", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            call = call.header(name, value);
        }
    }
    let traceparent = request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
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
        traceparent,
        status,
        answer: text.clone(),
    });
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(text)).unwrap()
}
