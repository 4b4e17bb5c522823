//! Each request example of the OpenAPI document succeeds on a fresh demo of the CRM that it is for.

use contacts_gateway::adapters::ADAPTERS;
use contacts_gateway::api::openapi::document;
use http::Method;
use serde_json::Value;

use super::Demo;

/// One example of the document, as it is to be sent.
struct Example {
    method: Method,
    path: String,
    name: String,
    body: Value,
}

impl Example {
    fn all() -> Vec<Self> {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
                for (name, reference) in examples.as_object().into_iter().flatten() {
                    let pointer = &reference["$ref"].as_str().unwrap()[1..];
                    all.push(Self {
                        method: method.to_uppercase().parse().unwrap(),
                        path: path.clone(),
                        name: name.clone(),
                        body: document.pointer(pointer).unwrap()["value"].clone(),
                    });
                }
            }
        }
        all
    }

    /// Whether it is for this CRM; the examples of a CRM are named after it.
    fn is_for(&self, provider: &str) -> bool {
        self.name == provider || self.name.starts_with(&format!("{provider}-"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller from outside; the gateway's own client is not his")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn send(demo: &Demo, method: Method, uri: &str, body: Option<&Value>) -> (u16, String) {
    let request = client().request(method, format!("http://{}{uri}", demo.address));
    let request = request.header("authorization", format!("Bearer {}", demo.key()));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test]
async fn every_request_example_succeeds_on_a_fresh_demo() {
    let (examples, mut refused) = (Example::all(), Vec::new());
    for spec in ADAPTERS {
        let provider = spec.provider.as_str();
        let of_crm = examples.iter().filter(|example| example.is_for(provider));
        let mut schemas = std::collections::BTreeSet::new();
        for Example { method, path, name, body } in of_crm {
            schemas.insert((method, path));
            let demo = Demo::start();
            let credential = format!("demo-{provider}");
            let uri = match path.as_str() {
                "/credentials" => "/credentials?verify=false".to_owned(),
                "/credentials/{id}" => format!("/credentials/{credential}?verify=false"),
                path => {
                    let (_, text) = send(
                        &demo,
                        Method::GET,
                        &format!("/crm/contacts?credentialId={credential}&pageSize=1"),
                        None,
                    )
                    .await;
                    let listed: Value = serde_json::from_str(&text).unwrap();
                    let id = listed["contacts"][0]["id"].as_str().unwrap();
                    format!("{}?credentialId={credential}", path.replace("{id}", id))
                }
            };
            let (status, text) = send(&demo, method.clone(), &uri, Some(body)).await;
            if !(200..300).contains(&status) {
                refused.push(format!("{method} {path} {name}: {status} {text}"));
            }
        }
        // Create, upsert, PUT and PATCH of a contact; create and change of a credential.
        assert_eq!(schemas.len(), 6, "{provider} has no example for one of the operations: {schemas:?}");
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let rest = |example: &&Example| !ADAPTERS.iter().any(|spec| example.is_for(spec.provider.as_str()));
    for example in examples.iter().filter(rest) {
        assert!(example.path.starts_with("/admin"), "{} {} is for no CRM", example.path, example.name);
    }
}
