//! The document as generators of clients need it: free objects and the credential of each CRM as schemas with names.

use serde_json::{Map, Value, json};

use crate::adapters::{ADAPTERS, AdapterSpec};
use crate::api::schema::{secret_schema, settings_schema};

/// Objects whose fields the document cannot know, as schema, property, and the name of the shared schema.
const FREE_OBJECTS: &[(&str, &str, &str)] = &[
    ("Contact", "remoteFields", REMOTE_FIELDS),
    ("ContactCreate", "remoteFields", REMOTE_FIELDS),
    ("ContactUpdate", "remoteFields", REMOTE_FIELDS),
    ("ContactUpsert", "remoteFields", REMOTE_FIELDS),
    ("Credential", "settings", "SettingsAsSent"),
    ("PlannedCall", "body", "CrmBody"),
    ("Provider", "settingsSchema", "JsonSchema"),
    ("Provider", "secretSchema", "JsonSchema"),
];
const REMOTE_FIELDS: &str = "RemoteFields";

/// Gives names to what generators would make into empty types.
pub(super) fn name_free_parts(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, description) in [
        (REMOTE_FIELDS, "Fields of the CRM by their names there."),
        ("SettingsAsSent", "The settings of a credential."),
        ("CrmBody", "JSON in the CRM's own format."),
        ("JsonSchema", "A JSON Schema."),
    ] {
        let free = json!({ "type": "object", "description": description, "additionalProperties": true });
        schemas.insert(name.to_owned(), free);
    }
    for (schema, property, name) in FREE_OBJECTS {
        if let Some(found) =
            schemas.get_mut(*schema).and_then(|schema| schema["properties"].get_mut(property))
        {
            refer(found, name);
        }
    }
    name_credentials(schemas);
    schemas.sort_keys();
}

/// Replaces a property by a reference. Its description stays, and so does `null` where it is allowed.
fn refer(property: &mut Value, name: &str) {
    let description = property["description"].take();
    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
    let is_nullable =
        property["type"].as_array().is_some_and(|types| types.iter().any(|word| word == "null"));
    *property = if is_nullable { json!({ "oneOf": [reference, { "type": "null" }] }) } else { reference };
    if !description.is_null() {
        property["description"] = description;
    }
}

/// A body for each CRM, with its settings and secret.
fn name_credentials(schemas: &mut Map<String, Value>) {
    for (whole, verb) in [("CreateCredential", "Create"), ("UpdateCredential", "Update")] {
        let Some(base) = schemas.remove(whole) else { continue };
        let (mut choices, mut mapping) = (Vec::new(), Map::new());
        for spec in ADAPTERS {
            let name = format!("{verb}{}Credential", capitalized(spec));
            let reference = format!("#/components/schemas/{name}");
            schemas.insert(name, body_of(&base, spec, verb));
            choices.push(json!({ "$ref": reference }));
            mapping.insert(spec.provider.as_str().to_owned(), reference.into());
        }
        let description = &base["description"];
        // A change does not name its provider, so nothing tells the choices apart.
        let named = if verb == "Create" {
            let discriminator = json!({ "propertyName": "provider", "mapping": mapping });
            json!({ "description": description, "oneOf": choices, "discriminator": discriminator })
        } else {
            json!({ "description": description, "anyOf": choices })
        };
        schemas.insert(whole.to_owned(), named);
    }
    for spec in ADAPTERS {
        let settings = settings_of(spec);
        schemas.insert(format!("{}SettingsUpdate", capitalized(spec)), changed(&settings));
        schemas.insert(format!("{}Settings", capitalized(spec)), settings);
        schemas.insert(format!("{}Secret", capitalized(spec)), secret_of(spec));
    }
}

fn capitalized(spec: &AdapterSpec) -> String {
    let (first, rest) = spec.provider.as_str().split_at(1);
    first.to_uppercase() + rest
}

/// The body for one CRM.
fn body_of(base: &Value, spec: &AdapterSpec, verb: &str) -> Value {
    let mut body = base.clone();
    body["description"] =
        format!("{} For {}.", base["description"].as_str().unwrap_or_default(), spec.title).into();
    let properties = &mut body["properties"];
    let settings = if verb == "Create" { "Settings" } else { "SettingsUpdate" };
    let is_required = verb == "Create" && spec.settings.iter().any(|setting| setting.required);
    if is_required {
        properties["settings"]["type"] = "object".into();
    }
    refer(&mut properties["settings"], &format!("{}{settings}", capitalized(spec)));
    refer(&mut properties["secret"], &format!("{}Secret", capitalized(spec)));
    if let Some(provider) = properties.get_mut("provider") {
        provider["enum"] = json!([spec.provider.as_str()]);
    }
    if let Some(required) = body.get_mut("required").and_then(Value::as_array_mut).filter(|_| is_required) {
        required.push("settings".into());
    }
    body
}

/// The settings, with `remoteFields` in them by their shared name. Without defaults, which generators of types make into
/// required properties.
fn settings_of(spec: &AdapterSpec) -> Value {
    let mut settings = settings_schema(spec);
    settings["description"] = format!("The settings of a credential for {}.", spec.title).into();
    for property in properties_of(&mut settings) {
        if property["type"] == "object" && property.get("additionalProperties").is_none() {
            refer(property, REMOTE_FIELDS);
        }
        remove(property, "default");
    }
    if settings["required"].as_array().is_some_and(Vec::is_empty) {
        remove(&mut settings, "required");
    }
    settings
}

/// The same settings where `null` resets one, and none is required.
fn changed(settings: &Value) -> Value {
    let mut changed = settings.clone();
    for property in properties_of(&mut changed) {
        let description = remove(property, "description");
        *property = json!({ "oneOf": [property.take(), { "type": "null" }], "description": description });
    }
    remove(&mut changed, "required");
    changed
}

fn properties_of(schema: &mut Value) -> impl Iterator<Item = &mut Value> {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut)
}

fn remove(schema: &mut Value, name: &str) -> Option<Value> {
    schema.as_object_mut()?.shift_remove(name)
}

/// The secret; the choice among several forms only where there are several.
fn secret_of(spec: &AdapterSpec) -> Value {
    let mut secret = secret_schema(spec.secrets);
    match secret["oneOf"].as_array_mut() {
        Some(forms) if forms.len() == 1 => forms.remove(0),
        _ => {
            secret["description"] = format!("The secret of a credential for {}.", spec.title).into();
            secret
        }
    }
}
