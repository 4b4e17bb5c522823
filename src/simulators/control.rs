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
    match (method.as_str(), path.as_str()) {
        ("GET", "/_simulator/journal") => json_answer(StatusCode::OK, &json!(simulation.journal.calls())),
        ("DELETE", "/_simulator/journal") => {
            simulation.journal.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET", "/_simulator/contacts") => json_answer(StatusCode::OK, &json!(simulation.crm.contacts())),
        ("GET", "/_simulator/faults") => json_answer(StatusCode::OK, &json!(simulation.faults.waiting())),
        ("POST", "/_simulator/faults") => add_each(&body, Fault::read, |fault| simulation.faults.add(fault)),
        ("DELETE", "/_simulator/faults") => {
            simulation.faults.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET", "/_simulator/views") => json_answer(StatusCode::OK, &json!(simulation.views.all())),
        ("POST", "/_simulator/views") => add_each(&body, view, |view| simulation.views.add(view)),
        ("DELETE", "/_simulator/views") => {
            simulation.views.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        ("POST", "/_simulator/change" | "/_simulator/merge") => change_or_merge(simulation, &path, &body),
        ("POST", "/_simulator/define") => {
            let definition: Value = serde_json::from_slice(&body).unwrap_or_default();
            if simulation.crm.define(&definition) {
                StatusCode::NO_CONTENT.into_response()
            } else {
                json_answer(StatusCode::BAD_REQUEST, &json!({ "error": "no such definition" }))
            }
        }
        ("POST", "/_simulator/revoke") => {
            let wanted: Value = serde_json::from_slice(&body).unwrap_or_default();
            simulation.crm.revoke(wanted.get("token").and_then(Value::as_str).unwrap_or_default());
            StatusCode::NO_CONTENT.into_response()
        }
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
        Ok(elements) => {
            Vec::into_iter(elements).for_each(add);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

fn view(fields: Map<String, Value>) -> serde_json::Result<View> {
    serde_json::from_value(Value::Object(fields))
}

/// Changes or merges contacts as another client of the CRM would.
fn change_or_merge(simulation: &Simulation, path: &str, body: &[u8]) -> Response {
    let wanted: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = |key: &str| wanted.get(key).and_then(Value::as_str).unwrap_or_default();
    let done = if path == "/_simulator/merge" {
        simulation.crm.merge(word("primary"), word("other"))
    } else {
        let fields = wanted.get("set").and_then(Value::as_object).cloned().unwrap_or_default();
        simulation.crm.change(word("contact"), &fields)
    };
    if done {
        StatusCode::NO_CONTENT.into_response()
    } else {
        json_answer(StatusCode::NOT_FOUND, &json!({ "error": "no such contact" }))
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
