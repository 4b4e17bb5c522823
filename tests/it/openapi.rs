//! The document: committed as made, and true of the router, operation by operation.

use std::collections::BTreeSet;

use axum::body::Body;
use contacts_gateway::api::openapi::document;
use serde_json::Value;

use crate::support::{Edge, admin, signed, tenant};

#[test]
fn the_committed_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/contacts-gateway.json");
    let made = document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == made, "openapi/contacts-gateway.json is stale: UPDATE_OPENAPI=1 cargo test openapi");
}

/// One operation of the document.
struct Operation {
    method: String,
    path: String,
    described: Value,
}

impl Operation {
    fn all() -> Vec<Self> {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let paths = document["paths"].as_object().unwrap().clone();
        let methods = |(path, item): (String, Value)| {
            let each = item.as_object().unwrap().clone().into_iter();
            each.map(move |(method, described)| Self {
                method: method.to_uppercase(),
                path: path.replace("{id}", "x").replace("{keyId}", "y"),
                described,
            })
        };
        paths.into_iter().flat_map(methods).collect()
    }

    /// Its query parameters, each with a value that it takes.
    fn parameters(&self) -> Vec<(String, String)> {
        let value = |schema: &Value| {
            let first = schema["enum"][0].as_str();
            let word = match (schema["type"].as_str(), schema["format"].as_str()) {
                (Some("integer"), _) => "1",
                (Some("boolean"), _) => "true",
                (_, Some("date-time")) => "2024-01-31T09:30:00Z",
                _ => first.unwrap_or("word"),
            };
            word.to_owned()
        };
        let parameters = self.described["parameters"].as_array().unwrap().iter();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|known| (known["name"].as_str().unwrap().to_owned(), value(&known["schema"])))
            .collect()
    }
}

#[tokio::test]
async fn an_operation_takes_the_parameters_that_it_documents_and_no_others() {
    let edge = Edge::new().await;
    let all: BTreeSet<_> = Operation::all().iter().flat_map(Operation::parameters).collect();
    assert!(all.len() > 20);
    for operation in Operation::all() {
        let documented = operation.parameters();
        for (name, value) in &all {
            let uri = format!("{}?{name}={value}", operation.path);
            let answer = edge.ask(&operation.method, &uri).await;
            // A cursor is known, and this one is nobody's: refused for its value alone.
            let foreign = name == "cursor" && answer.text.contains("no cursor of this listing");
            let refused = answer.code() == "invalid_parameter" && answer.places().contains(name) && !foreign;
            let known = documented.iter().any(|(known, _)| known == name);
            assert_eq!(refused, !known, "{} {uri}: {}", operation.method, answer.text);
        }
    }
}

#[tokio::test]
async fn an_operation_documents_whatever_the_edge_answers() {
    let edge = Edge::new().await;
    for operation in Operation::all() {
        let mut statuses = BTreeSet::new();
        for (query, authorization, kind, body) in [
            ("credentialId=c", "", "", ""),
            ("nonsense", &tenant(), "", ""),
            ("credentialId=c", &tenant(), "text/plain", "x"),
            ("credentialId=c", &tenant(), "application/json", "{"),
            ("credentialId=c", &admin(), "application/json", "[]"),
            ("", &tenant(), "application/json", "{}"),
            ("", &admin(), "application/json", r#"{"name":"x"}"#),
        ] {
            let uri = format!("{}?{query}", operation.path);
            let mut request = signed(&operation.method, &uri).header("content-type", kind);
            request.headers_mut().unwrap().insert("authorization", authorization.parse().unwrap());
            statuses.insert(edge.send(request.body(Body::from(body)).unwrap()).await.status.as_u16());
        }
        let documented = operation.described["responses"].as_object().unwrap();
        for status in statuses {
            assert!(
                documented.contains_key(&status.to_string()),
                "{} {} {status}",
                operation.method,
                operation.path
            );
        }
    }
}

#[test]
fn every_operation_is_described_with_examples() {
    let mut ids = BTreeSet::new();
    for Operation { method, path, described } in Operation::all() {
        let text = |member: &str| described[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(text("summary") && text("description") && text("operationId"), "{method} {path}");
        assert!(ids.insert(described["operationId"].to_string()), "{method} {path}");
        assert!(described["security"].is_array() && described["tags"].is_array(), "{method} {path}");
        let answers = described["responses"].as_object().unwrap().values();
        for content in
            answers.chain([&described["requestBody"]]).filter_map(|part| part["content"].as_object())
        {
            for (kind, content) in content {
                assert!(
                    content["examples"].as_object().is_some_and(|some| !some.is_empty()),
                    "{method} {path} {kind}"
                );
            }
        }
    }
}

#[test]
fn the_document_is_of_the_promised_version() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
