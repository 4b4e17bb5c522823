//! `simulate --fault`: a fault as a short text or as JSON, and all faults in the help.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::domain::suggestion;
use crate::simulators::{Fault, FaultError, FaultField, FaultKind, FieldType};

/// `KIND`, or `KIND:FIELD=VALUE,…`, or the JSON object that `POST /_simulator/faults` takes. The error is a sentence.
pub(super) fn fault(text: &str) -> Result<Fault, String> {
    let fields = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?
    } else {
        short(text)?
    };
    Fault::read(fields).map_err(|error| format!("{error}{}", hint(&error)))
}

fn short(text: &str) -> Result<Map<String, Value>, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut fields = Map::from_iter([("kind".to_owned(), kind.into())]);
    for part in rest.split(',').filter(|part| !part.is_empty()) {
        let field = |name| FaultKind::doc(kind).and_then(|doc| doc.field(name));
        let (name, value) = match part.split_once('=') {
            Some((name, text)) => (name, value(text, field(name))?),
            None if field(part).is_some_and(|field| field.takes == FieldType::Flag) => (part, true.into()),
            None => {
                return Err(format!("`{part}` has no value; a value with a comma can be written in JSON"));
            }
        };
        if fields.insert(name.to_owned(), value).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
    }
    Ok(fields)
}

/// The value of a field. That of an unknown field does not matter: the field is refused.
fn value(text: &str, field: Option<&FaultField>) -> Result<Value, String> {
    let parsed = serde_json::from_str::<Value>(text).ok();
    let (name, takes) = field.map_or(("", FieldType::Text), |field| (field.name, field.takes));
    match (takes, parsed) {
        (FieldType::Text, _) | (FieldType::Json, None) => Ok(text.into()),
        (FieldType::Json, Some(value)) => Ok(value),
        (FieldType::Number | FieldType::Status, Some(value)) if value.is_i64() || value.is_u64() => Ok(value),
        (FieldType::Number | FieldType::Status, _) => Err(format!("`{name}` must be a whole number")),
        (FieldType::Flag, Some(value)) if value.is_boolean() => Ok(value),
        (FieldType::Flag, _) => Err(format!("`{name}` must be true or false")),
    }
}

/// What was probably meant, or what there is. The simulators use no other module, so that it is here.
fn hint(error: &FaultError) -> String {
    let (given, known): (_, Vec<&str>) = match error {
        FaultError::UnknownKind(kind) => (kind, FaultKind::DOCS.iter().map(|doc| doc.name).collect()),
        FaultError::UnknownField { kind, name } => {
            (name, kind.all_fields().map(|field| field.name).collect())
        }
        FaultError::Invalid(_) => return String::new(),
    };
    match suggestion(given, known.iter().copied()) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => format!("; known are: {}", known.join(", ")),
    }
}

/// Every kind with its fields.
pub(super) fn faults_help() -> String {
    let mut text =
        "Faults. \"Applied\" means that the CRM did what was requested before the response failed.\n"
            .to_owned();
    for doc in FaultKind::DOCS {
        let fields: Vec<String> = doc.fields.iter().map(shown).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(":{}", fields.join(",")) };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}{fields}\n          {}", doc.name, doc.about.trim().replace('`', ""));
    }
    let limits: Vec<String> = Fault::LIMITS.iter().map(shown).collect();
    let _ = write!(
        text,
        "\nTo affect only some calls, every fault also takes: {}. In `path`, a segment * matches any segment. \
         `writes_only` ignores calls that only read. The first `skip` matching calls succeed, and the next `times` calls are \
         affected.\n\n\
         Examples:\n  \
         contacts-gateway simulate aptly --fault status:code=503,times=2\n  \
         contacts-gateway simulate pipeline --fault latency:ms=800 --fault reset_after_applying:method=POST,path=/api/contacts,times=1\n  \
         contacts-gateway simulate aptly --fault '{{\"kind\":\"body\",\"text\":\"[1, 2]\",\"skip\":3}}'",
        limits.join(" "),
    );
    text
}

/// `name=TYPE`, in brackets if it may be left out.
fn shown(field: &FaultField) -> String {
    let takes = match field.takes {
        FieldType::Number => "N",
        FieldType::Status => "STATUS",
        FieldType::Flag => "true",
        FieldType::Text => "TEXT",
        FieldType::Json => "JSON",
    };
    let name = field.name;
    if field.is_required { format!("{name}={takes}") } else { format!("[{name}={takes}]") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        let mut read = serde_json::to_value(fault(text).unwrap()).unwrap();
        read.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        read
    }

    #[test]
    fn a_short_text_and_json_are_the_same_fault() {
        let long = r#"{"kind":"status","code":503,"body":"{}","method":"POST","path":"/api/contacts/*","writes_only":true,"times":2}"#;
        let short = "status:code=503,body={},method=POST,path=/api/contacts/*,writes_only,times=2";
        assert_eq!(read(short), read(long));
        assert_eq!(read("too_many_requests:retry_after=30")["retry_after"], "30");
        assert_eq!(read("meanwhile:set={\"title\":\"Boss\"}")["set"], json!({ "title": "Boss" }));
        assert_eq!(read("field:field=email,value=x@example.com")["value"], "x@example.com");
        assert_eq!(
            read("redirect:status=302,location=https://example.com/?a=b")["location"],
            "https://example.com/?a=b"
        );
        assert_eq!(read("never_answer"), read("never_answer:skip=0"));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_was_meant() {
        for (text, sentence) in [
            ("statsu:code=503", "there is no fault `statsu`; did you mean `status`?"),
            ("", "a fault needs a kind; known are: latency, late_answer, "),
            ("status:code=503,tmes=2", "the fault `status` has no field `tmes`; did you mean `times`?"),
            (
                r#"{"kind":"latency","ms":5,"pth":"/"}"#,
                "the fault `latency` has no field `pth`; did you mean `path`?",
            ),
            ("latency", "the fault `latency` needs `ms`"),
            ("latency:ms=fast", "`ms` must be a whole number"),
            ("latency:ms=-1", "the fault `latency`: invalid value: integer `-1`, expected u64"),
            ("status:code=42", "`code` must be a status from 200 to 599"),
            ("status:code=500,code=501", "`code` is given twice"),
            (
                "status:code=500,body={\"a\":1,\"b\":2}",
                "`\"b\":2}` has no value; a value with a comma can be written in JSON",
            ),
            ("stall:writes_only=maybe", "`writes_only` must be true or false"),
            ("reshape:how=null", "the fault `reshape`: unknown variant `null`, expected one of `only_ids`"),
            ("{\"kind\"", "not valid JSON: "),
        ] {
            let error = fault(text).unwrap_err();
            assert!(error.starts_with(sentence), "{text}: {error}");
        }
    }

    #[test]
    fn every_field_is_documented_with_its_type() {
        for doc in FaultKind::DOCS {
            let mut fields = Map::from_iter([("kind".to_owned(), doc.name.into())]);
            for field in doc.all_fields() {
                let value = match (field.name, field.takes) {
                    ("how", _) => "nulls".into(),
                    ("headers", _) => json!([["a", "b"]]),
                    (_, FieldType::Number) => 1.into(),
                    (_, FieldType::Status) => 500.into(),
                    (_, FieldType::Flag) => true.into(),
                    (_, FieldType::Text) => "a".into(),
                    (_, FieldType::Json) => json!({ "a": "b" }),
                };
                fields.insert(field.name.to_owned(), value);
            }
            let written = serde_json::to_value(Fault::read(fields.clone()).unwrap()).unwrap();
            assert_eq!(written, Value::Object(fields.clone()), "a field of `{}` is not documented", doc.name);
            let required: Vec<&str> = doc.fields.iter().filter(|f| f.is_required).map(|f| f.name).collect();
            fields.retain(|name, _| name == "kind" || required.contains(&name.as_str()));
            assert!(
                Fault::read(fields).is_ok(),
                "a field of `{}` is required, but not documented so",
                doc.name
            );
        }
    }
}
