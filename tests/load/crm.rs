//! A CRM that works on so many calls at a time, each for so long; the others wait in line.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contacts_gateway::simulators::{Running, pipeline};
use tokio::sync::{OnceCell, Semaphore};

/// The line in front of a simulator, whose answer to the first call is given to all.
pub(crate) struct Line {
    simulator: Running,
    address: String,
}

struct Desk {
    places: Semaphore,
    time: Duration,
    simulator: String,
    token: String,
    answer: OnceCell<String>,
}

impl Line {
    pub(crate) async fn open(places: usize, time: Duration) -> Self {
        let simulator = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let desk = Desk {
            places: Semaphore::new(places),
            time,
            simulator: simulator.base_url(),
            token: simulator.token().to_owned(),
            answer: OnceCell::new(),
        };
        let router = Router::new().fallback(answer).with_state(Arc::new(desk));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { simulator, address }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.address
    }

    pub(crate) fn token(&self) -> &str {
        self.simulator.token()
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let _place = desk.places.acquire().await.unwrap();
    let url = format!("{}{}", desk.simulator, request.uri());
    let ask = async || {
        let client = reqwest::Client::default();
        let reply = client.get(url).bearer_auth(&desk.token).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.text().await.unwrap()
    };
    let text = desk.answer.get_or_init(ask).await.clone();
    tokio::time::sleep(desk.time).await;
    (StatusCode::OK, [("content-type", "application/json")], text).into_response()
}
