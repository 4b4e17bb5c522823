//! A JSON Schema of the configuration file, from the declaration of the settings.

use serde_json::{Map, Value, json};

use super::jwt::JWT_KEYS;
use super::limits::RATE_KEYS;
use super::setting::{Setting, ValueKind};
use super::settings;

/// The JSON Schema, draft 2020-12, as formatted JSON.
#[must_use]
pub fn schema() -> String {
    let mut properties = Map::new();
    let mut exclusive = Vec::new();
    for setting in settings::all() {
        properties.insert(setting.key.to_owned(), of(setting));
        if setting.may_have_file() {
            let (key, file) = (setting.key, format!("{}_file", setting.key));
            let description = format!("The path of a file that contains `{key}`.");
            exclusive.push(json!({ "not": { "required": [key, file] } }));
            properties.insert(file, json!({ "description": description, "type": "string", "minLength": 1 }));
        }
    }
    let mut issuer = table("An issuer whose tokens are accepted.", &JWT_KEYS);
    let sources = ["secret_file", "jwks_file", "jwks_url"].map(|key| json!({ "required": [key] }));
    issuer["oneOf"] = json!(sources);
    let rates = table("Rate limits of calls to a CRM, in place of those that it publishes.", &RATE_KEYS);
    properties.insert("auth".to_owned(), only("jwt", &json!({ "type": "array", "items": issuer })));
    let providers = json!({ "type": "object", "additionalProperties": rates });
    properties.insert("limits".to_owned(), only("upstream", &providers));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration file of contacts-gateway",
        "type": "object",
        "additionalProperties": false,
        "allOf": exclusive,
        "properties": properties,
    });
    format!("{schema:#}\n")
}

/// An object with one property.
fn only(name: &str, property: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": { name: property } })
}

fn table(description: &str, keys: &[Setting]) -> Value {
    let required: Vec<_> = keys.iter().filter(|key| key.is_required).map(|key| key.key).collect();
    let properties: Map<_, _> = keys.iter().map(|key| (key.key.to_owned(), of(key))).collect();
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn of(setting: &Setting) -> Value {
    let mut schema = match setting.kind {
        ValueKind::Whole { least, most, .. } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ValueKind::Word(words) => json!({ "type": "string", "enum": words }),
        ValueKind::Words(words) => json!({
            "type": "array", "items": { "enum": words }, "minItems": 1, "uniqueItems": true,
        }),
        ValueKind::List | ValueKind::Origins | ValueKind::Secrets => json!({
            "type": ["string", "array"], "items": { "type": "string" }, "minLength": 1, "minItems": 1,
        }),
        ValueKind::Address => json!({ "type": "string", "pattern": ":[0-9]+$" }),
        ValueKind::Url => json!({ "type": "string", "pattern": "^https?://" }),
        ValueKind::Text | ValueKind::Path | ValueKind::Database | ValueKind::Secret => {
            json!({ "type": "string", "minLength": 1 })
        }
    };
    schema["description"] = setting.doc().into();
    let default = setting.default.filter(|text| !text.is_empty());
    if let Some(default) = default {
        schema["default"] = match setting.kind {
            ValueKind::Whole { .. } => serde_json::from_str(default).unwrap_or_default(),
            _ => default.into(),
        };
    }
    schema
}
