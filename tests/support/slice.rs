//! The hand-written slices of the CRMs' contracts, and whether a call or a value keeps to them.

use serde_json::Value;
use url::form_urlencoded;

/// `openapi/upstream/<provider>.json`.
pub(crate) struct Slice(Value);

impl Slice {
    pub(crate) fn of(provider: &str) -> Self {
        let path = format!("{}/openapi/upstream/{provider}.json", env!("CARGO_MANIFEST_DIR"));
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// What is wrong with a call and its answer; nothing when both keep to the slice.
    pub(crate) fn faults(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
        answer: Option<(u16, &str)>,
    ) -> Vec<String> {
        let Some(operation) = self.operation(method, path) else {
            return vec![format!("no operation {method} {path}")];
        };
        let mut faults = Vec::new();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let sent: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        for (name, value) in &sent {
            match parameters.iter().find(|parameter| parameter["name"] == name.as_str()) {
                None => faults.push(format!("parameter {name} is not in the slice")),
                Some(parameter) => {
                    let integer = parameter["schema"]["type"] == "integer";
                    let value = if integer {
                        value.parse::<u64>().map_or(Value::Null, Value::from)
                    } else {
                        Value::from(value.as_str())
                    };
                    self.check(&parameter["schema"], &value, name, &mut faults);
                }
            }
        }
        for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
            if !sent.iter().any(|(name, _)| parameter["name"] == name.as_str()) {
                faults.push(format!("parameter {} is missing", parameter["name"]));
            }
        }
        match (&operation["requestBody"]["content"]["application/json"]["schema"], body) {
            (Value::Null, "") => {}
            (Value::Null, _) => faults.push("a body where there is none".to_owned()),
            (schema, body) => {
                self.check(schema, &serde_json::from_str(body).unwrap_or_default(), "body", &mut faults);
            }
        }
        if let Some((status, answer)) = answer {
            let response = self.resolved(&operation["responses"][status.to_string()]);
            if response.is_null() {
                faults.push(format!("{status} is not in the slice"));
            } else {
                let schema = &response["content"]["application/json"]["schema"];
                self.check(
                    schema,
                    &serde_json::from_str(answer).unwrap_or(Value::from("no JSON")),
                    "answer",
                    &mut faults,
                );
            }
        }
        faults
    }

    /// What is wrong with `value` by the named schema.
    pub(crate) fn faults_of(&self, schema: &str, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.0["components"]["schemas"][schema], value, schema, &mut faults);
        faults
    }

    /// How many operations the slice has.
    pub(crate) fn operations(&self) -> usize {
        let paths = self.0["paths"].as_object().unwrap().values();
        paths.map(|path| path.as_object().unwrap().keys().filter(|key| *key != "parameters").count()).sum()
    }

    /// The template and method that a call is of.
    pub(crate) fn operation_name(&self, method: &str, path: &str) -> Option<String> {
        let paths = self.0["paths"].as_object()?;
        let fits = |template: &str| {
            let (wanted, given): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            wanted.len() == given.len()
                && wanted.iter().zip(&given).all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
        };
        // A path as written wins over a template, where it has the method.
        let has_method = |template: &&String| paths[*template].get(method.to_lowercase()).is_some();
        let mut as_written = paths.keys().filter(|key| *key == path);
        let mut templates = paths.keys().filter(|key| fits(key));
        let template = as_written.find(has_method).or_else(|| templates.find(has_method))?;
        Some(format!("{method} {template}"))
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let name = self.operation_name(method, path)?;
        Some(&self.0["paths"][name.split_once(' ')?.1][method.to_lowercase()])
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for (word, rule) in schema.as_object().unwrap() {
            match word.as_str() {
                "type" => {
                    let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                    if !types.iter().any(|kind| is_of(kind.as_str().unwrap(), value)) {
                        faults.push(format!("{at} is no {rule}"));
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    faults.push(format!("{at} is none of {rule}"));
                }
                "required" => {
                    let missing = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|name| value.get(name.as_str().unwrap()).is_none());
                    faults.extend(missing.map(|name| format!("{at} lacks {name}")));
                }
                "properties" | "additionalProperties" => self.check_members(schema, value, at, word, faults),
                "items" => {
                    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, element, &format!("{at}/{index}"), faults);
                    }
                }
                "minItems" | "maxItems" | "minimum" | "maximum" | "minProperties" => {
                    faults.extend(
                        out_of_bounds(word, rule.as_u64().unwrap(), value).map(|how| format!("{at} {how}")),
                    );
                }
                "not" => {
                    let mut within = Vec::new();
                    self.check(rule, value, at, &mut within);
                    if within.is_empty() {
                        faults.push(format!("{at} is {rule}, which it must not be"));
                    }
                }
                "oneOf" | "anyOf" => {
                    let tries: Vec<Vec<String>> = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| {
                            let mut faults = Vec::new();
                            self.check(one, value, at, &mut faults);
                            faults
                        })
                        .collect();
                    if tries.iter().all(|faults| !faults.is_empty()) {
                        faults.push(format!("{at} fits none: {tries:?}"));
                    }
                }
                "enum" | "description" => {}
                other => panic!("the check does not know `{other}`"),
            }
        }
    }

    fn check_members(&self, schema: &Value, value: &Value, at: &str, word: &str, faults: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            let known = schema["properties"].get(name);
            match (word, known, &schema["additionalProperties"]) {
                ("properties", Some(schema), _) => self.check(schema, member, &at, faults),
                ("additionalProperties", None, Value::Bool(false)) => faults.push(format!("{at} is unknown")),
                ("additionalProperties", None, schema @ Value::Object(_)) => {
                    self.check(schema, member, &at, faults);
                }
                _ => {}
            }
        }
    }
}

/// What is wrong with a length or a number by the bound `word`.
fn out_of_bounds(word: &str, bound: u64, value: &Value) -> Option<&'static str> {
    let entries = value.as_array().map(|list| list.len() as u64);
    let members = value.as_object().map(|members| members.len() as u64);
    match word {
        "minItems" => entries.is_some_and(|length| length < bound).then_some("is too short"),
        "maxItems" => entries.is_some_and(|length| length > bound).then_some("is too long"),
        "maximum" => value.as_u64().is_none_or(|number| number > bound).then_some("is too large"),
        "minProperties" => members.is_some_and(|count| count < bound).then_some("has too few fields"),
        _ => value.as_u64().is_none_or(|number| number < bound).then_some("is too small"),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type `{other}`"),
    }
}
