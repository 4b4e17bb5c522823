//! The calls that control a simulator over HTTP. The CRMs have no paths that start with `/_simulator/`.

use std::fmt::Display;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::exchange::Simulation;
use super::faults::Fault;
use super::views::View;

const LARGEST_BODY: usize = 1024 * 1024;

pub(crate) async fn answer(simulation: &Simulation, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = to_bytes(request.into_body(), LARGEST_BODY).await.unwrap_or_default();
    let wanted = || serde_json::from_slice::<Value>(&body).unwrap_or_default();
    match (method.as_str(), path.strip_prefix("/_simulator/").unwrap_or_default()) {
        ("GET", "journal") => json_answer(StatusCode::OK, &json!(simulation.journal.calls())),
        ("DELETE", "journal") => done(|| simulation.journal.clear()),
        ("GET", "contacts") => json_answer(StatusCode::OK, &json!(simulation.crm.contacts())),
        ("GET", "faults") => json_answer(StatusCode::OK, &json!(simulation.faults.all())),
        ("POST", "faults") => add_each(&body, Fault::read, |fault| simulation.faults.add(fault)),
        ("DELETE", "faults") => done(|| simulation.faults.clear()),
        ("GET", "views") => json_answer(StatusCode::OK, &json!(simulation.views.all())),
        ("POST", "views") => add_each(&body, view, |view| simulation.views.add(view)),
        ("DELETE", "views") => done(|| simulation.views.clear()),
        ("POST", "change") => {
            let wanted = wanted();
            let fields = wanted.get("set").and_then(Value::as_object).cloned().unwrap_or_default();
            changed_or_not_found(simulation.crm.change(word(&wanted, "contact"), &fields))
        }
        ("POST", "merge") => {
            let wanted = wanted();
            changed_or_not_found(simulation.crm.merge(word(&wanted, "primary"), word(&wanted, "other")))
        }
        ("POST", "define") => {
            if simulation.crm.define(&wanted()) {
                return done(|| {});
            }
            json_answer(StatusCode::BAD_REQUEST, &json!({ "error": "no such definition" }))
        }
        ("POST", "revoke") => done(|| simulation.crm.revoke(word(&wanted(), "token"))),
        _ => json_answer(StatusCode::NOT_FOUND, &json!({ "error": "the simulator has no such route" })),
    }
}

/// One object, or an array of them. Adds all of them, or none if one is not valid.
fn add_each<T, E: Display>(
    body: &[u8],
    read: impl Fn(Map<String, Value>) -> Result<T, E>,
    add: impl FnMut(T),
) -> Response {
    let objects: Result<Vec<Map<String, Value>>, _> = match serde_json::from_slice(body) {
        Ok(Value::Array(elements)) => elements.into_iter().map(serde_json::from_value).collect(),
        Ok(one) => serde_json::from_value(one).map(|one| vec![one]),
        Err(error) => Err(error),
    };
    let several = objects
        .map_err(|error| error.to_string())
        .and_then(|all| all.into_iter().map(|one| read(one).map_err(|error| error.to_string())).collect());
    match several {
        Ok(elements) => done(|| Vec::into_iter(elements).for_each(add)),
        Err(error) => json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

fn view(fields: Map<String, Value>) -> serde_json::Result<View> {
    serde_json::from_value(Value::Object(fields))
}

fn word<'a>(wanted: &'a Value, key: &str) -> &'a str {
    wanted.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Runs `action` and responds with 204.
fn done(action: impl FnOnce()) -> Response {
    action();
    StatusCode::NO_CONTENT.into_response()
}

/// 204, or 404 if there is no such contact.
fn changed_or_not_found(was_there: bool) -> Response {
    if was_there {
        return done(|| {});
    }
    json_answer(StatusCode::NOT_FOUND, &json!({ "error": "no such contact" }))
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
