//! Code samples of each operation for curl, Python and TypeScript, as the extension `x-codeSamples`.

use std::fmt::Write as _;

use serde_json::{Value, json};
use url::form_urlencoded;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Required};

/// The demo's address. The page of the reference replaces it by its own.
const BASE: &str = "http://127.0.0.1:8080";

/// A request as the samples show it.
struct SampleRequest<'a> {
    /// Upper case.
    method: String,
    path: String,
    query: Vec<(&'a str, String)>,
    /// The environment variable with the key; `None` if the operation needs none.
    key: Option<&'static str>,
    takes_idempotency_key: bool,
    body: Option<&'a Value>,
}

/// The samples of an operation: with its required parameters, and with `body` if it takes one.
pub(super) fn of(method: &str, path: &str, operation: &Operation, body: Option<&Value>) -> Extensions {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    let mut takes_idempotency_key = false;
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let example = || example(parameter);
        match parameter.parameter_in {
            ParameterIn::Path => path = path.replace(&format!("{{{}}}", parameter.name), &example()),
            ParameterIn::Query if is_sampled(operation, parameter) => {
                query.push((parameter.name.as_str(), example()));
            }
            ParameterIn::Header if parameter.name == "Idempotency-Key" => {
                takes_idempotency_key = body.is_some();
            }
            _ => {}
        }
    }
    let key = match path.split('/').nth(1) {
        Some("admin") => Some("GATEWAY_ADMIN_TOKEN"),
        Some("livez" | "readyz") => None,
        _ => Some("KEY"),
    };
    let method = method.to_uppercase();
    let request = SampleRequest { method, path, query, key, takes_idempotency_key, body };
    let samples = json!([
        { "lang": "Shell", "label": "curl", "source": request.curl() },
        { "lang": "Python", "label": "Python", "source": request.python() },
        { "lang": "TypeScript", "label": "TypeScript", "source": request.typescript() },
    ]);
    Extensions::from_iter([("x-codeSamples", samples)])
}

/// A search takes one of several parameters, none of which is required by itself.
fn is_sampled(operation: &Operation, parameter: &Parameter) -> bool {
    let searches = operation.operation_id.as_deref() == Some("searchContacts");
    parameter.required == Required::True || (searches && parameter.name == "emailAddress")
}

/// The example of a parameter; every required one has a text.
fn example(parameter: &Parameter) -> String {
    let shown = serde_json::to_value(parameter).unwrap_or_default();
    shown["example"].as_str().unwrap_or_default().to_owned()
}

impl SampleRequest<'_> {
    fn url(&self) -> String {
        let mut url = format!("{BASE}{}", self.path);
        if !self.query.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
            let _ = write!(url, "?{query}"); // Writing to a string does not fail.
        }
        url
    }

    fn curl(&self) -> String {
        let mut parts = match self.method.as_str() {
            "GET" => vec![format!("curl '{}'", self.url())],
            "POST" if self.body.is_some() => vec![format!("curl '{}'", self.url())],
            method => vec![format!("curl -X {method} '{}'", self.url())],
        };
        parts.extend(self.key.map(|key| format!("-H \"Authorization: Bearer ${key}\"")));
        if let Some(body) = self.body {
            parts.push("-H 'Content-Type: application/json'".to_owned());
            parts.push(format!("-d '{}'", literal(body, 0, Words::JSON).replace('\'', r"'\''")));
        }
        parts.join(" \\\n  ")
    }

    fn python(&self) -> String {
        let mut imports = String::new();
        if self.key.is_some() {
            imports.push_str("import os\n");
        }
        if self.takes_idempotency_key {
            imports.push_str("import uuid\n");
        }
        if !imports.is_empty() {
            imports.push('\n');
        }
        let mut lines = vec![format!("\"{BASE}{}\"", self.path)];
        if !self.query.is_empty() {
            let query = self.query.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
            lines.push(format!("params={{{}}}", query.collect::<Vec<_>>().join(", ")));
        }
        let mut headers: Vec<_> = self
            .key
            .map(|key| format!("\"Authorization\": f\"Bearer {{os.environ['{key}']}}\""))
            .into_iter()
            .collect();
        if self.takes_idempotency_key {
            headers.push("\"Idempotency-Key\": str(uuid.uuid4())".to_owned());
        }
        if !headers.is_empty() {
            lines.push(format!("headers={{{}}}", headers.join(", ")));
        }
        lines.extend(self.body.map(|body| format!("json={}", literal(body, 1, Words::PYTHON))));
        let call = listed(&lines, "    ");
        format!(
            "{imports}import requests\n\nresponse = requests.{}(\n{call})\nprint(response.status_code, response.text)\n",
            self.method.to_lowercase(),
        )
    }

    fn typescript(&self) -> String {
        let mut options = Vec::new();
        if self.method != "GET" {
            options.push(format!("method: \"{}\"", self.method));
        }
        let mut headers: Vec<_> = self
            .key
            .map(|key| format!("Authorization: `Bearer ${{process.env.{key}}}`"))
            .into_iter()
            .collect();
        if self.body.is_some() {
            headers.push("\"Content-Type\": \"application/json\"".to_owned());
        }
        if self.takes_idempotency_key {
            headers.push("\"Idempotency-Key\": crypto.randomUUID()".to_owned());
        }
        if !headers.is_empty() {
            let headers = listed(&headers, "    ");
            options.push(format!("headers: {{\n{headers}  }}"));
        }
        options
            .extend(self.body.map(|body| format!("body: JSON.stringify({})", literal(body, 1, Words::JSON))));
        let options = listed(&options, "  ");
        let options = if options.is_empty() { options } else { format!(", {{\n{options}}}") };
        format!(
            "const response = await fetch(\"{}\"{options});\nconsole.log(response.status, await response.text());\n",
            self.url(),
        )
    }
}

/// How a language writes what JSON writes as `null`, `true` and `false`, and its indentation.
#[derive(Clone, Copy)]
struct Words {
    null: &'static str,
    yes: &'static str,
    no: &'static str,
    indent: usize,
}

impl Words {
    const JSON: Self = Self { null: "null", yes: "true", no: "false", indent: 2 };
    const PYTHON: Self = Self { null: "None", yes: "True", no: "False", indent: 4 };
}

/// The longest object or list on one line.
const LINE_MOST: usize = 72;

/// A value as a literal, in lines that are indented by `depth` where it is too long for one.
fn literal(value: &Value, depth: usize, words: Words) -> String {
    let inside = |part: &Value| literal(part, depth + 1, words);
    let (open, parts, close): (_, Vec<String>, _) = match value {
        Value::Null => return words.null.to_owned(),
        Value::Bool(true) => return words.yes.to_owned(),
        Value::Bool(false) => return words.no.to_owned(),
        Value::Array(parts) => ('[', parts.iter().map(inside).collect(), ']'),
        Value::Object(fields) => {
            let field = |(name, part): (&String, &Value)| format!("{}: {}", quoted(name), inside(part));
            ('{', fields.iter().map(field).collect(), '}')
        }
        other => return other.to_string(),
    };
    let line = parts.join(", ");
    if line.len() <= LINE_MOST && !line.contains('\n') && depth > 0 {
        return format!("{open}{line}{close}");
    }
    let (outer, inner) = (" ".repeat(depth * words.indent), " ".repeat((depth + 1) * words.indent));
    format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
}

/// Each part on a line of its own, with a comma.
fn listed(parts: &[String], indent: &str) -> String {
    let lines: Vec<String> = parts.iter().map(|part| format!("{indent}{part},\n")).collect();
    lines.concat()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
