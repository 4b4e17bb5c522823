//! The document: committed as made, and true of the router, operation by operation.

use std::collections::BTreeSet;
use std::fmt::Display;

use axum::body::Body;
use contacts_gateway::api::openapi::document;
use serde_json::{Value, json};

use crate::test_gateway::{TestGateway, admin, signed, tenant};

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
        let value = |known: &Value| {
            let schema = &known["schema"];
            let example = match &known["example"] {
                Value::Array(several) => several[0].as_str().map(str::to_owned),
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            if let Some(example) = example {
                return url::form_urlencoded::byte_serialize(example.as_bytes()).collect();
            }
            let first = schema["enum"][0].as_str();
            let word = match (schema["type"].as_str(), schema["format"].as_str()) {
                (Some("integer"), _) => "1",
                (Some("boolean"), _) => "true",
                (_, Some("date-time")) => "2024-01-31T09:30:00Z",
                (_, Some("email")) => "word@example.com",
                _ if schema["pattern"] == "[0-9]" => "1",
                _ => first.unwrap_or("word"),
            };
            word.to_owned()
        };
        let parameters = self.described["parameters"].as_array().unwrap().iter();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|known| (known["name"].as_str().unwrap().to_owned(), value(known)))
            .collect()
    }
}

#[tokio::test]
async fn an_operation_takes_the_parameters_that_it_documents_and_no_others() {
    let edge = TestGateway::open().await;
    let all: BTreeSet<_> = Operation::all().iter().flat_map(Operation::parameters).collect();
    assert!(all.len() > 20);
    for operation in Operation::all() {
        let documented = operation.parameters();
        for (name, value) in &all {
            let uri = format!("{}?{name}={value}", operation.path);
            let answer = edge.ask(&operation.method, &uri).await;
            // A cursor is known, and this one is nobody's: refused for its value alone.
            let foreign = name == "cursor" && answer.text.contains("does not belong to this listing");
            let refused = answer.code() == "invalid_parameter" && answer.places().contains(name) && !foreign;
            let known = documented.iter().any(|(known, _)| known == name);
            assert_eq!(refused, !known, "{} {uri}: {}", operation.method, answer.text);
        }
    }
}

#[tokio::test]
async fn an_operation_documents_whatever_the_edge_answers() {
    let edge = TestGateway::open().await;
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
            statuses.insert(edge.send(request.body(Body::from(body)).unwrap()).await.status);
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

/// What in `value` does not fit the schema: another type, a missing field, an unknown field or word.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return misfits(document, document.pointer(&name[1..]).unwrap(), value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let each: Vec<_> = choices.iter().map(|choice| misfits(document, choice, value, at)).collect();
        return if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return Vec::new(),
        kind => vec![kind.clone()],
    };
    if !kinds.iter().any(|known| known == kind) {
        return vec![format!("{at}: {kind}")];
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return vec![format!("{at}: {value}")];
    }
    let inside = |schema: &Value, value: &Value, name: &dyn Display| {
        misfits(document, schema, value, &format!("{at}/{name}"))
    };
    match (value, &schema["properties"]) {
        (Value::Array(elements), _) => {
            let elements = elements.iter().enumerate();
            elements.flat_map(|(index, element)| inside(&schema["items"], element, &index)).collect()
        }
        (Value::Object(fields), Value::Object(known)) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = required.filter(|name| !fields.contains_key(*name));
            let missing = missing.map(|name| format!("{at}/{name}: missing"));
            let others = fields.iter().flat_map(|(name, value)| match known.get(name) {
                Some(schema) => inside(schema, value, name),
                None => vec![format!("{at}/{name}: unknown")],
            });
            missing.chain(others).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_example_fits_its_schema() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let examples = document["components"]["examples"].as_object().unwrap();
    assert!(examples.len() > 80);
    for (name, example) in examples {
        let schema = name.split('.').next().unwrap().replace("problem", "Problem");
        let schema = &document["components"]["schemas"][&schema];
        assert!(schema.is_object(), "{name}");
        assert_eq!(misfits(&document, schema, &example["value"], name), [""; 0]);
    }
}

/// The demo, to which the other examples are sent, has no operator.
#[tokio::test]
async fn every_request_example_of_the_operator_succeeds() {
    let (edge, document) = (TestGateway::open().await, serde_json::from_str::<Value>(&document()).unwrap());
    let mut sent = 0;
    for Operation { method, path, described } in Operation::all() {
        let examples = &described["requestBody"]["content"]["application/json"]["examples"];
        for (name, example) in
            examples.as_object().into_iter().flatten().filter(|_| path.starts_with("/admin"))
        {
            sent += 1;
            let example = document.pointer(&example["$ref"].as_str().unwrap()[1..]).unwrap();
            let uri = path.replace("/x/", &format!("/{}/", edge.caller.tenant.as_str()));
            let answer = edge.tell(&method, &uri, example["value"].to_string()).await;
            assert!(answer.is_success(), "{method} {path} {name}: {}", answer.text);
        }
    }
    assert!(sent >= 2, "{sent}");
}

/// `dryRun` and `strict` show their default. A cursor belongs to one list, so no example of it works.
#[test]
fn every_parameter_has_an_example_or_a_default() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut parameters =
        document["components"]["parameters"].as_object().unwrap().values().collect::<Vec<_>>();
    let operations = Operation::all();
    parameters.extend(
        operations.iter().flat_map(|operation| operation.described["parameters"].as_array().unwrap()),
    );
    for parameter in parameters.iter().filter(|parameter| parameter["$ref"].is_null()) {
        let shown = !parameter["example"].is_null() || !parameter["schema"]["default"].is_null();
        assert!(shown || parameter["name"] == "cursor", "{parameter}");
    }
    assert!(parameters.len() > 100);
}

#[test]
fn every_operation_has_a_sample_in_three_languages() {
    for Operation { method, path, described } in Operation::all() {
        let samples = described["x-codeSamples"].as_array().unwrap();
        let labels: Vec<_> = samples.iter().map(|sample| &sample["label"]).collect();
        assert_eq!(labels, ["curl", "Python", "TypeScript"], "{method} {path}");
        for sample in samples {
            let source = sample["source"].as_str().unwrap();
            assert!(source.contains("http://127.0.0.1:8080/") && !source.contains('<'), "{source}");
        }
    }
}

/// Every schema that `value` holds, with its place.
fn schemas_in<'a>(value: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    let Some(fields) = value.as_object() else {
        for (index, element) in value.as_array().into_iter().flatten().enumerate() {
            schemas_in(element, &format!("{at}/{index}"), found);
        }
        return;
    };
    if !fields.contains_key("value") {
        found.push((at.to_owned(), value));
        for (name, inside) in fields.iter().filter(|(name, _)| *name != "examples" && *name != "example") {
            schemas_in(inside, &format!("{at}/{name}"), found);
        }
    }
}

/// Generators make an object without properties into one that holds nothing.
#[test]
fn no_object_of_the_document_is_without_properties() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut found = Vec::new();
    schemas_in(&document, "", &mut found);
    let is_object = |schema: &Value| {
        let kinds = schema["type"].as_array().map_or_else(|| vec![schema["type"].clone()], Clone::clone);
        kinds.contains(&"object".into())
    };
    let empty = found.iter().filter(|(_, schema)| {
        is_object(schema) && schema["properties"].is_null() && schema["additionalProperties"].is_null()
    });
    assert_eq!(empty.map(|(at, _)| at).collect::<Vec<_>>(), [""; 0]);
    assert!(found.iter().filter(|(_, schema)| is_object(schema)).count() > 60);
}

#[test]
fn every_component_is_used() {
    let text = document();
    let document: Value = serde_json::from_str(&text).unwrap();
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(
                text.contains(&format!("\"#/components/{kind}/{name}\"")),
                "{kind}/{name} is used by nothing"
            );
        }
    }
}

#[test]
fn a_code_may_be_new_to_a_client_and_an_outcome_may_not() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let schemas = &document["components"]["schemas"];
    let code = &schemas["ProblemCode"];
    assert!(code["enum"].is_null());
    for kind in contacts_gateway::domain::FailureKind::ALL {
        assert!(code["description"].as_str().unwrap().contains(&format!("`{}`", kind.code())));
    }
    assert_eq!(schemas["UpsertAnswer"]["properties"]["outcome"]["enum"], json!(["created", "updated"]));
}

#[test]
fn the_body_of_a_new_credential_is_that_of_its_provider() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let create = &document["components"]["schemas"]["CreateCredential"];
    assert_eq!(create["discriminator"]["propertyName"], "provider");
    for spec in contacts_gateway::adapters::ADAPTERS {
        let pointer = create["discriminator"]["mapping"][spec.provider.as_str()].as_str().unwrap();
        let body = document.pointer(&pointer[1..]).unwrap();
        assert_eq!(body["properties"]["provider"]["enum"], json!([spec.provider.as_str()]));
        let settings = &body["properties"]["settings"];
        let settings = settings["$ref"].as_str().or_else(|| settings["oneOf"][0]["$ref"].as_str()).unwrap();
        let known = document.pointer(&settings[1..]).unwrap()["properties"].as_object().unwrap();
        assert!(spec.settings.iter().all(|setting| known.contains_key(setting.name)), "{known:?}");
    }
}

#[test]
fn the_document_is_of_the_promised_version() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

/// A body that is right but for what a test changes in it.
fn valid(schema: &str) -> Value {
    match schema {
        "ContactCreate" | "ContactUpsert" => json!({ "lastName": "x" }),
        "ContactUpdate" | "UpdateCredential" => json!({}),
        "CreateCredential" => json!({ "provider": "aptly", "name": "x", "secret": {} }),
        "TenantCreate" => json!({ "name": "x" }),
        "KeyCreate" => json!({ "name": "x", "scopes": ["contacts:read"] }),
        other => panic!("{other} has no example here"),
    }
}

/// An address of `length` characters whose labels are short enough.
fn email_of(length: usize) -> String {
    let domain = (1..length.saturating_sub(32)).map(|at| if at % 40 == 0 { '.' } else { 'y' });
    format!("{}@{}.example", "x".repeat(24), domain.collect::<String>())
}

/// A value of `length` for a property: a text of so many characters, or a list of so many elements.
fn sized(document: &Value, described: &Value, length: usize) -> Value {
    let Some(items) = described.get("items") else {
        return match described["format"].as_str() {
            Some("email") => email_of(length).into(),
            _ => "x".repeat(length).into(),
        };
    };
    let element = match items["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        Some("AddressInput" | "AddressUpdate") => json!({ "city": "x" }),
        Some("EmailAddressInput" | "EmailAddressUpdate") => json!({ "emailAddress": "a@b.example" }),
        Some("PhoneNumberInput" | "PhoneNumberUpdate") => json!({ "phoneNumber": "+14165550123" }),
        Some("ScopeWord") => json!("contacts:read"),
        Some(other) => panic!("{other}: {document}"),
        None => json!("x"),
    };
    vec![element; length].into()
}

/// Every bounded property of a request body: its schema's name, where it stands, and its description.
fn bounded(document: &Value, schema: &str, at: &str) -> Vec<(String, Value)> {
    let mut described = &document["components"]["schemas"][schema];
    // The bodies for each CRM have the same bounds.
    if let Some(first) =
        described["oneOf"][0]["$ref"].as_str().or_else(|| described["anyOf"][0]["$ref"].as_str())
    {
        described = document.pointer(&first[1..]).unwrap();
    }
    let properties = described["properties"].as_object().unwrap();
    let mut all = Vec::new();
    for (name, described) in properties {
        let at = format!("{at}/{name}");
        if let Some(element) = described["items"]["$ref"].as_str().and_then(|name| name.rsplit('/').next())
            && (element.ends_with("Input") || element.ends_with("Update"))
        {
            all.extend(bounded(document, element, &format!("{at}/0")));
        }
        if ["maxLength", "maxItems", "minItems", "minLength"].iter().any(|bound| described[bound].is_u64()) {
            all.push((at, described.clone()));
        }
    }
    all
}

/// `body` with `value` at `pointer`, which may lead into the first element of a list.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let names: Vec<&str> = pointer.split('/').skip(1).collect();
    match names[..] {
        [name] => body[name] = value,
        [list, _, name] => {
            let mut element = match list {
                "emailAddresses" => json!({ "emailAddress": "a@b.example" }),
                "phoneNumbers" => json!({ "phoneNumber": "+14165550123" }),
                _ => json!({}),
            };
            element[name] = value;
            body[list] = json!([element]);
        }
        _ => panic!("{pointer}"),
    }
    body
}

#[tokio::test]
async fn every_bound_of_a_body_in_the_document_is_the_one_that_is_enforced() {
    let edge = TestGateway::open().await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut bounds = 0;
    for Operation { method, path, described } in Operation::all() {
        let media = &described["requestBody"]["content"]["application/json"]["schema"];
        let Some(schema) = media["$ref"].as_str().and_then(|name| name.rsplit('/').next()) else { continue };
        for (at, described) in bounded(&document, schema, "") {
            let number = |bound: &str| described[bound].as_u64().map(|most| usize::try_from(most).unwrap());
            let most = number("maxLength").or(number("maxItems"));
            let least = number("minLength").or(number("minItems"));
            let tries = [
                most.map(|most| (most, false)),
                most.map(|most| (most + 1, true)),
                least.map(|least| (least, false)),
                least.map(|least| (least - 1, true)),
            ];
            for (length, refused) in tries.into_iter().flatten() {
                bounds += 1;
                let body = with(valid(schema), &at, sized(&document, &described, length));
                let uri = format!("{path}?credentialId=c");
                let uri = if path.starts_with("/crm") { &uri } else { &path };
                let answer = edge.tell(&method, uri, body.to_string()).await;
                // Whether the CRM, the credential or the tenant is known is asked in another step.
                let named = answer.code() == "validation_failed" && answer.places().contains(&at);
                assert_eq!(named, refused, "{method} {path} {at} of {length}: {}", answer.text);
            }
        }
    }
    // Most bounds of a change hold for what is new, which shows only beside a record.
    assert!(bounds > 80, "{bounds}");
}

#[tokio::test]
async fn every_bound_of_a_parameter_in_the_document_is_the_one_that_is_enforced() {
    let edge = TestGateway::open().await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    for operation in Operation::all().iter().filter(|operation| operation.method == "GET") {
        for parameter in operation.described["parameters"].as_array().into_iter().flatten() {
            let shared = parameter["$ref"].as_str().and_then(|pointer| document.pointer(&pointer[1..]));
            let parameter = shared.unwrap_or(parameter);
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let text = schema["format"].is_null() && schema["enum"].is_null();
            let long = schema["maxLength"].as_u64().filter(|_| text);
            let each = if schema["pattern"] == "[0-9]" { "1" } else { "x" };
            let length = |length: u64| each.repeat(usize::try_from(length).unwrap());
            let tries = [
                long.map(|most| (length(most), false)),
                long.map(|most| (length(most + 1), true)),
                schema["maximum"].as_u64().map(|most| (most.to_string(), false)),
                schema["maximum"].as_u64().map(|most| ((most + 1).to_string(), true)),
                schema["minimum"].as_u64().map(|least| (least.to_string(), false)),
                schema["minimum"].as_u64().map(|least| ((least - 1).to_string(), true)),
            ];
            for (value, refused) in tries.into_iter().flatten() {
                let answer = if parameter["in"] == "header" {
                    let needs = if operation.path == "/crm/contacts/search" { "&name=x" } else { "" };
                    let request = signed("GET", &format!("{}?credentialId=c{needs}", operation.path));
                    edge.send(request.header(name, &value).body(Body::empty()).unwrap()).await
                } else {
                    edge.ask("GET", &format!("{}?{name}={value}", operation.path)).await
                };
                let foreign = name == "cursor" && answer.text.contains("does not belong to this listing");
                let named = answer.code() == "invalid_parameter"
                    && (answer.places().contains(&name.to_owned()) || parameter["in"] == "header");
                let stranger = parameter["in"] == "header" && answer.text.contains("Unknown parameter");
                assert_eq!(
                    named && !foreign && !stranger,
                    refused,
                    "{} {name} {}: {}",
                    operation.path,
                    value.len(),
                    answer.text
                );
            }
        }
    }
}

#[tokio::test]
async fn the_bounds_that_prose_names_are_those_of_the_document() {
    use contacts_gateway::domain::bounds::{IDEMPOTENCY_KEY_MOST, TEXT_MOST};
    let edge = TestGateway::open().await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    let intro = document["info"]["description"].as_str().unwrap().replace('\n', " ");
    assert!(intro.contains(&format!("Strings are limited to {TEXT_MOST} characters")), "{intro}");
    let page = edge.ask("GET", "/docs/errors/idempotency_key_invalid").await.text;
    assert!(page.contains(&format!("1 to {IDEMPOTENCY_KEY_MOST} ")), "{page}");
    for (length, refused) in [(IDEMPOTENCY_KEY_MOST, false), (IDEMPOTENCY_KEY_MOST + 1, true)] {
        let request = signed("POST", "/crm/contacts?credentialId=c")
            .header("content-type", "application/json")
            .header("idempotency-key", "k".repeat(length));
        let answer = edge.send(request.body(Body::from(valid("ContactCreate").to_string())).unwrap()).await;
        assert_eq!(answer.code() == "idempotency_key_invalid", refused, "{}", answer.text);
    }
}
