//! `GET /providers`: what it says of a CRM is what its credentials need, and one declaration prints it and the documents.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contacts_gateway::adapters::ADAPTERS;
use contacts_gateway::app::Components;
use contacts_gateway::config::{Config, Flags};
use contacts_gateway::domain::{FilterName, Scope};
use contacts_gateway::sealing::MasterKey;
use contacts_gateway::upstream::RateLimit;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::test_gateway::{TestGateway, admin};

async fn providers(edge: &TestGateway) -> Vec<Value> {
    edge.ask("GET", "/providers").await.json()["providers"].as_array().unwrap().clone()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

/// A value that the schema of a setting takes.
fn valid(schema: &Value) -> Value {
    match (schema["type"].as_str().unwrap(), schema["format"].as_str(), schema["pattern"].as_str()) {
        ("boolean", ..) => json!(true),
        ("number", ..) => schema["maximum"].clone(),
        ("object", ..) => json!({}),
        ("string", Some("uri"), _) => json!("http://127.0.0.1:9"),
        ("string", _, Some(pattern)) if pattern.contains("id") => json!("/api/contacts/{id}"),
        ("string", _, Some(_)) => json!("CA"),
        _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("word")),
    }
}

/// Values that it does not take.
fn invalid(schema: &Value) -> Vec<Value> {
    let mut values = vec![json!([])];
    values.extend(schema.get("exclusiveMinimum").cloned());
    values.extend(schema.get("maximum").map(|most| json!(most.as_f64().unwrap() + 0.5)));
    values.extend(schema.get("enum").map(|_| json!("nonsense")));
    values.extend(schema.get("pattern").map(|_| json!("nonsense of 1")));
    values.extend(schema.get("minLength").map(|_| json!("")));
    let longest = schema["maxLength"].as_u64().map(|most| usize::try_from(most).unwrap());
    values.extend(longest.map(|most| json!("x".repeat(most + 1))));
    values
}

/// An object of `value` for each name.
fn object<'a>(names: impl IntoIterator<Item = &'a str>, value: impl Fn(&str) -> Value) -> Value {
    let members = names.into_iter().map(|name| (name.to_owned(), value(name)));
    members.collect::<serde_json::Map<_, _>>().into()
}

/// Adds a credential, which nothing is asked about.
async fn add(edge: &TestGateway, provider: &Value, settings: &Value, secret: &Value) -> Reply {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("n{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let body =
        json!({ "provider": provider["provider"], "name": name, "settings": settings, "secret": secret });
    edge.tell("POST", "/credentials?verify=false", body.to_string()).await
}

/// Settings that the schema takes, all of them.
fn all_settings(provider: &Value) -> Value {
    let properties = provider["settingsSchema"]["properties"].as_object().unwrap();
    object(properties.keys().map(String::as_str), |name| valid(&properties[name]))
}

/// A secret of this form.
fn secret(form: &Value) -> Value {
    object(names(&form["required"]), |_| json!("word"))
}

#[tokio::test]
async fn a_credential_takes_the_secrets_of_the_schema_and_no_others() {
    let edge = TestGateway::open().await;
    for provider in providers(&edge).await {
        let settings = all_settings(&provider);
        for form in provider["secretSchema"]["oneOf"].as_array().unwrap() {
            assert_eq!(form["additionalProperties"], false);
            assert_eq!(form["properties"].as_object().unwrap().len(), names(&form["required"]).len());
            let made = add(&edge, &provider, &settings, &secret(form)).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let mut more = secret(form);
            more["more"] = json!("x");
            assert_eq!(add(&edge, &provider, &settings, &more).await.places(), ["/secret"]);
            for member in names(&form["required"]) {
                let mut less = secret(form);
                less[member] = json!("");
                assert_eq!(add(&edge, &provider, &settings, &less).await.places(), ["/secret"], "{member}");
            }
        }
    }
}

#[tokio::test]
async fn a_credential_takes_the_settings_of_the_schema_and_no_others() {
    let edge = TestGateway::open().await;
    let mut tried = 0;
    for provider in providers(&edge).await {
        let (schema, all) = (&provider["settingsSchema"], all_settings(&provider));
        let secret = secret(&provider["secretSchema"]["oneOf"][0]);
        for (name, property) in schema["properties"].as_object().unwrap() {
            for value in invalid(property) {
                tried += 1;
                let mut wrong = all.clone();
                wrong[name] = value.clone();
                let refused = add(&edge, &provider, &wrong, &secret).await;
                assert_eq!(refused.places(), [format!("/settings/{name}")], "{name} {value}");
            }
            let mut without = all.clone();
            without.as_object_mut().unwrap().remove(name);
            let is_required = names(&schema["required"]).contains(&name.as_str());
            let refused = add(&edge, &provider, &without, &secret).await;
            assert_eq!(refused.status == 422, is_required, "{name}");
        }
        let mut more = all.clone();
        more["nothing"] = json!(1);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(add(&edge, &provider, &more, &secret).await.places(), ["/settings/nothing"]);
    }
    assert!(tried > 20, "{tried}");
}

#[tokio::test]
async fn any_valid_key_may_list_them_and_nobody_else() {
    let edge = TestGateway::open().await;
    let bare = edge.key(&edge.caller, &[], None).await;
    let ask = async |authorization: &str| {
        let request = http::Request::builder().uri("/providers").header("authorization", authorization);
        edge.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let limited = edge.key(&edge.caller, &[Scope::ContactsRead], Some(&["other"])).await;
    for key in [&bare, &limited] {
        assert_eq!(ask(key).await.status, 200);
    }
    ask("").await.is(401, "unauthenticated");
    ask(&admin()).await.is(403, "insufficient_scope");
    edge.ask("GET", "/providers?x=1").await.is(400, "invalid_parameter");
}

/// A gateway under this configuration file.
async fn configured(file: &str) -> (tempfile::TempDir, Components) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let database = format!("database_url = \"sqlite://{}/gateway.db\"\n", folder.path().display());
    std::fs::write(&path, database + file).unwrap();
    let key = MasterKey::generate().unwrap().text().expose_secret().to_owned();
    let flags = Flags { file: Some(path), values: Vec::new() };
    let config = Config::read(&flags, [("GATEWAY_MASTER_KEY".to_owned(), key)]).unwrap();
    (folder, Components::open(&config).await.unwrap())
}

#[tokio::test]
async fn the_rate_limits_are_those_that_the_operator_configured() {
    let published = ADAPTERS.iter().map(|spec| spec.limits.to_vec()).collect::<Vec<_>>();
    for (file, first) in [
        ("", published[0].clone()),
        ("[limits.upstream.aptly]\nper_minute = 0\nper_second = 0", vec![]),
        (
            "[limits.upstream.aptly]\nper_minute = 0\nper_second = 7",
            vec![RateLimit { calls: 7, per: Duration::from_secs(1) }],
        ),
    ] {
        let (_folder, parts) = configured(file).await;
        let limits: Vec<_> =
            ADAPTERS.iter().map(|spec| parts.gateway.credentials.rate_limits(spec)).collect();
        assert_eq!(limits, [first, published[1].clone()], "{file}");
    }
    let edge = TestGateway::open().await;
    let shown = providers(&edge).await;
    assert_eq!(shown[0]["rateLimits"][0], json!({ "calls": 120, "seconds": 60 }));
}

/// What `/providers` says is in the page of the CRM, word for word: one declaration prints both.
#[tokio::test]
async fn the_pages_of_the_crms_say_the_same() {
    let edge = TestGateway::open().await;
    let providers = providers(&edge).await;
    assert_eq!(providers.len(), ADAPTERS.len());
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/docs/guide/fields.md"))
        .unwrap();
    for (provider, spec) in providers.iter().zip(ADAPTERS) {
        let path = format!("{}/src/adapters/{}/docs.md", env!("CARGO_MANIFEST_DIR"), spec.provider);
        let page = std::fs::read_to_string(path).unwrap();
        assert_eq!(provider["provider"], spec.provider.as_str());
        let rows = |starts: &str| page.lines().filter(|line| line.starts_with(starts)).collect::<Vec<_>>();
        for field in provider["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let row = rows(&format!("| `{name}` |")).concat();
            let mapping = guide.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
            for text in ["readFrom", "writtenTo", "lost"].into_iter().filter_map(|key| field[key].as_str()) {
                assert!(row.contains(text) && mapping.contains(text), "{name}: {text}");
            }
            assert!(row.contains(field["verified"].as_str().unwrap()), "{name}");
            assert_eq!(
                row.contains("required on create"),
                field["requiredOnCreate"] == true && name != "lastName"
            );
        }
        for field in provider["remoteFields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let row = rows(&format!("| `{name}` |")).concat();
            assert!(row.contains(field["description"].as_str().unwrap()), "{name}");
            assert!(row.contains(field["type"].as_str().unwrap()), "{name}");
        }
        for (name, schema) in provider["settingsSchema"]["properties"].as_object().unwrap() {
            assert!(page.contains(schema["description"].as_str().unwrap()), "{name}");
        }
        for form in provider["secretSchema"]["oneOf"].as_array().unwrap() {
            assert!(page.contains(form["description"].as_str().unwrap()));
        }
        for source in provider["liveSources"].as_array().unwrap() {
            assert!(
                page.contains(source["call"].as_str().unwrap())
                    && page.contains(source["gives"].as_str().unwrap())
            );
        }
        for operation in names(&provider["unsupported"]) {
            assert!(page.contains(&format!("does not support {operation}")), "{operation}");
        }
        let filters = provider["fields"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|field| field["filters"].as_array().unwrap());
        assert_eq!(filters.count(), FilterName::ALL.len());
        for limit in provider["rateLimits"].as_array().unwrap() {
            assert!(page.contains(&format!("{} calls in {} s", limit["calls"], limit["seconds"])));
        }
    }
}
