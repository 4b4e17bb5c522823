//! A server on loopback that answers as told and notes what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
}

#[derive(Default)]
struct Script {
    answers: Vec<(String, VecDeque<(u16, String)>)>,
    asked: Vec<Asked>,
}

/// The server; it stops with the test's runtime.
#[derive(Clone, Default)]
pub(crate) struct Canned {
    script: Arc<Mutex<Script>>,
    address: String,
}

impl Canned {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let canned =
            Self { script: Arc::default(), address: format!("http://{}", listener.local_addr().unwrap()) };
        let router = Router::new().fallback(answer).with_state(canned.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        canned
    }

    pub(crate) fn base_url(&self) -> String {
        self.address.clone()
    }

    /// Answers calls of `what` (`GET /api/contacts`) with these, one after another; the last one again and again.
    /// Calls that nobody told an answer for get 404 with JSON.
    pub(crate) fn tell(&self, what: &str, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let mut script = self.script.lock().unwrap();
        script.answers.retain(|(known, _)| known != what);
        script.answers.push((what.to_owned(), answers));
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }
}

async fn answer(State(canned): State<Canned>, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let what = format!("{method} {}", uri.path());
    let mut script = canned.script.lock().unwrap();
    script.asked.push(Asked {
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let answers = script.answers.iter_mut().find(|(known, _)| *known == what);
    let (status, body) = answers.map_or_else(
        || (404, r#"{"error":"Not Found"}"#.to_owned()),
        |(_, queue)| if queue.len() > 1 { queue.pop_front().unwrap() } else { queue[0].clone() },
    );
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}
