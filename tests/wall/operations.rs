//! The operations of the OpenAPI document: what the attacks below are generated over.

use contacts_gateway::api::openapi::document;
use serde_json::{Value, json};

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    /// `GET /crm/contacts/{id}`.
    pub(crate) name: String,
    described: Value,
    document: Value,
}

impl Operation {
    pub(crate) fn all() -> Vec<Self> {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, described) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                let name = format!("{method} {path}");
                let (path, described, document) = (path.clone(), described.clone(), document.clone());
                all.push(Self { method, path, name, described, document });
            }
        }
        all
    }

    /// `bearer` for tenants, `admin` for the operator, nothing for everybody.
    pub(crate) fn plane(&self) -> Option<String> {
        let schemes = self.described["security"].as_array().unwrap();
        schemes.first().map(|scheme| scheme.as_object().unwrap().keys().next().unwrap().clone())
    }

    /// Whether it takes the query parameter `name`.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.parameters().any(|known| known["in"] == "query" && known["name"] == name)
    }

    /// More of the query, where one of several parameters must be given.
    pub(crate) fn needs(&self) -> &'static str {
        if self.path == "/crm/contacts/search" { "&name=nobody" } else { "" }
    }

    /// Whether the credential may be repeated, because the operation asks several.
    pub(crate) fn asks_several(&self) -> bool {
        self.parameters().any(|known| known["name"] == "credentialId" && known["schema"]["type"] == "array")
    }

    /// What must be given and the attacks know nothing of: they could not drive such an operation.
    pub(crate) fn strange(&self) -> Vec<String> {
        let known = ["id", "keyId", "credentialId"];
        let required = self.parameters().filter(|parameter| parameter["required"] == true);
        let names = required.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        names.filter(|name| !known.contains(&name.as_str())).collect()
    }

    /// A body that it takes: the document's own example, save where that would reach out or lock up the testbed.
    pub(crate) fn body(&self) -> Option<String> {
        self.body_for("")
    }

    /// The same, where the document has one for this provider.
    pub(crate) fn body_for(&self, provider: &str) -> Option<String> {
        let content = self.described.get("requestBody")?["content"]["application/json"].clone();
        let harmless = match self.described["operationId"].as_str().unwrap() {
            "createCredential" => {
                Some(json!({ "provider": "aptly", "name": "n", "secret": { "apiKey": "k" },
                "settings": { "baseUrl": "http://127.0.0.1:9" } }))
            }
            "updateCredential" => Some(json!({ "settings": { "defaultRegion": "CA" } })),
            _ => None,
        };
        let examples = content["examples"].as_object().unwrap();
        let example = examples.get(provider).or_else(|| examples.values().next()).unwrap();
        let place = example["$ref"].as_str().unwrap().trim_start_matches('#');
        let example = || self.document.pointer(place).unwrap()["value"].clone();
        Some(harmless.unwrap_or_else(example).to_string())
    }

    fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.described["parameters"].as_array().unwrap().iter().map(|parameter| {
            let shared = parameter["$ref"].as_str().map(|place| place.trim_start_matches('#'));
            shared.map_or(parameter, |place| self.document.pointer(place).unwrap())
        })
    }
}
