//! Generates replies: parts of well-formed ones are replaced, repeated, renamed and nested, then the text is cut, flipped and
//! spliced. Half of them start from the costliest case so far.

use serde_json::{Map, Value, json};

use crate::cost::Costliest;
use crate::rng::Rng;
use crate::world::{Case, Operation, Provider, seed};

/// Without 429 and 5xx, which pause calls to the CRM; their bodies are parsed like the others.
const STATUSES: [u16; 9] = [200, 201, 400, 401, 403, 404, 409, 410, 422];

const NAMES: &[&str] = &[
    "_id",
    "id",
    "data",
    "contact",
    "contacts",
    "count",
    "total",
    "page",
    "pageSize",
    "size",
    "success",
    "message",
    "error",
    "errors",
    "firstname",
    "First Name",
    "firstName",
    "lastname",
    "lastName",
    "fullname",
    "fullName",
    "name",
    "email",
    "Email",
    "phone",
    "Phone",
    "phoneNumber",
    "secondaryPhoneNumber",
    "number",
    "type",
    "value",
    "isPrimary",
    "address",
    "street",
    "city",
    "company",
    "isCompany",
    "createdAt",
    "updatedAt",
    "lastMessageTime",
    "customFields",
    "Mobile Phone",
    "companyId",
    "organizationId",
    "deletedCount",
    "__proto__",
    "",
    "\u{0}",
    "é",
    "\u{202e}x",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "1",
    "a@example.com",
    "jane.doe@example.com",
    "\"a,b\"@example.com, c@example.com",
    "+14165550100",
    "4165550100",
    "+1 (416) 555-0100 ext. 7",
    "2026-05-01T14:30:00.000Z",
    "9999-99-99T99:99:99Z",
    "true",
    "null",
    "\u{feff}",
    "\u{1f600}",
    "already exists",
    "not found",
    "phone email status",
    "tok_0123456789abcdef0123456789abcdef",
    "\\u0000",
    "\"\\/\"",
];

/// Texts that are difficult for JSON parsers.
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\ud83d\\ude00",
    "\u{0}",
    "\u{feff}",
    "1e999",
    "-0",
    "-",
    "0123",
    "1.",
    "0x1",
    "NaN",
    "null",
    "true",
    "{}",
    "[]",
    "\"\":",
    "{\"_id\":\"1\"}",
    "//",
    "/**/",
    "'",
    "\u{2028}",
];

pub(crate) struct Generator {
    rng: Rng,
    provider: Provider,
    largest: usize,
}

impl Generator {
    pub(crate) const fn new(rng: Rng, provider: Provider, largest: usize) -> Self {
        Self { rng, provider, largest }
    }

    /// The next case.
    pub(crate) fn case(&mut self, costliest: &Costliest) -> Case {
        let grown = costliest.get(self.below(64)).filter(|_| self.rng.below(2) == 0).cloned();
        let mut case = grown.unwrap_or_else(|| self.fresh());
        for _ in 0..self.below(3) {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&case.body) {
                let budget = self.largest.saturating_sub(case.body.len());
                self.change(&mut value, budget, 0);
                case.body = value.to_string().into_bytes();
            }
        }
        if self.rng.below(4) == 0 {
            for _ in 0..=self.below(3) {
                self.damage(&mut case.body);
            }
        }
        case.body.truncate(self.largest * 2);
        case
    }

    fn fresh(&mut self) -> Case {
        let operation = Operation::ALL[self.below(6)];
        let status = if self.rng.below(4) == 0 { STATUSES[self.below(9)] } else { 200 };
        let kind = match operation {
            Operation::List | Operation::Count | Operation::Upsert => "list",
            Operation::Get | Operation::Update => "single",
            Operation::Create => "written",
        };
        let body = match self.below(12) {
            8.. => self.wide(kind),
            0 => self.value(0).to_string(),
            1 => seed(self.provider, ["list", "single", "written"][self.below(3)]).to_owned(),
            2 if status >= 400 => {
                json!({ "message": self.text(), "errors": [self.value(1)], "error": self.value(1) })
                    .to_string()
            }
            _ => seed(self.provider, kind).to_owned(),
        };
        Case { provider: self.provider, operation, status, body: body.into_bytes() }
    }

    /// A well-formed reply with very many of one thing: fields, rows, phones, e-mails, custom fields.
    fn wide(&mut self, kind: &str) -> String {
        let text = seed(self.provider, kind);
        let count = 1 << self.below(self.largest.ilog2() as usize - 5);
        let list = |each: &str| vec![each; count].join(",");
        let fields = (0..count).map(|n| format!(r#""x{n}":{n},"#)).collect::<Vec<_>>().concat();
        let custom = (0..count).map(|n| format!(r#""y{n}":{{"name":"z{n}"}},"#)).collect::<Vec<_>>().concat();
        let phones = list(r#"{"value":"+14165550100","number":"+14165550100"}"#);
        let id = r#""_id":"1","#;
        match self.below(5) {
            0 => text.replacen(id, &format!("{id}{fields}"), 2),
            1 => text.replacen(id, &format!(r#"{id}"phone":[{phones}],"phoneNumber":[{phones}],"#), 1),
            2 => text.replacen(id, &format!(r#"{id}"email":[{}],"#, list(r#""jane.doe@example.com""#)), 1),
            3 => text.replacen(r#""customFields":{"#, &format!(r#""customFields":{{{custom}"#), 1),
            _ => text.replacen("[{", &format!("[{},{{", list(r#"{"_id":"1"}"#)), 1),
        }
    }

    /// Changes a random part of `value`. Adds at most about `budget` bytes.
    fn change(&mut self, value: &mut Value, budget: usize, depth: usize) {
        let deeper = depth < 20 && self.rng.below(5) > 0;
        match value {
            Value::Object(fields) if deeper && !fields.is_empty() => {
                let at = self.below(fields.len());
                if let Some((_, inner)) = fields.iter_mut().nth(at) {
                    return self.change(inner, budget, depth + 1);
                }
            }
            Value::Array(elements) if deeper && !elements.is_empty() => {
                let at = self.below(elements.len());
                return self.change(&mut elements[at], budget, depth + 1);
            }
            _ => {}
        }
        self.replace(value, budget);
    }

    fn replace(&mut self, value: &mut Value, budget: usize) {
        let many = |generator: &mut Self, each: usize| {
            let most = (budget / each.max(1)).max(1);
            let exponent = generator.rng.below(u64::from(most.ilog2()) + 1);
            (generator.below(1 << exponent) + 1).min(most)
        };
        match (self.below(10), value) {
            (0..=3, Value::Array(elements)) if !elements.is_empty() => {
                let element = elements[self.below(elements.len())].clone();
                let count = many(self, element.to_string().len());
                let is_numbered = self.rng.below(2) == 0;
                elements.extend(
                    (0..count).map(|n| if is_numbered { numbered(&element, n) } else { element.clone() }),
                );
            }
            (0..=3, Value::Object(fields)) => {
                let inner = self.value(3);
                let count = many(self, inner.to_string().len() + 8);
                let name = self.name();
                fields.extend((0..count).map(|n| (format!("{name}{n}"), inner.clone())));
            }
            (4..=7, Value::Object(fields)) => {
                let (name, inner) = (self.name(), self.value(1));
                fields.insert(name, inner);
            }
            (4..=7, Value::Array(elements)) => elements.push(self.value(1)),
            (8, value) if self.rng.below(3) == 0 => {
                let layers = many(self, 2).min(500);
                let is_list = self.rng.below(2) == 0;
                for _ in 0..layers {
                    let inner = value.take();
                    *value = if is_list { json!([inner]) } else { json!({ "data": inner }) };
                }
            }
            (8, value) => {
                let text = self.text();
                let count = many(self, text.len() + 2);
                *value =
                    if self.rng.below(2) == 0 { json!(text.repeat(count)) } else { json!(vec![text; count]) };
            }
            (_, value) => *value = self.value(1),
        }
    }

    /// Any value.
    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 3 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.rng.below(2) == 0),
            2 => json!(self.rng.below(1 << 40)),
            3 | 4 => json!(self.text()),
            5 => (0..self.below(4)).map(|_| self.value(depth + 1)).collect(),
            _ => {
                let count = self.below(5);
                Value::Object((0..count).map(|_| (self.name(), self.value(depth + 1))).collect::<Map<_, _>>())
            }
        }
    }

    /// Changes bytes without regard to the structure.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(64)).min(bytes.len());
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                let part = part.repeat(1 << self.below(6));
                bytes.splice(at..at, part);
            }
            4 => {
                let any = [self.below(256), self.below(256), self.below(256)];
                bytes.splice(at..at, any.map(|byte| u8::try_from(byte).unwrap_or_default()));
            }
            _ => {
                let fragment = FRAGMENTS[self.below(FRAGMENTS.len())];
                let count = if self.rng.below(8) == 0 { 1 << self.below(12) } else { 1 };
                bytes.splice(at..at, fragment.repeat(count).into_bytes());
            }
        }
    }

    fn name(&mut self) -> String {
        NAMES[self.below(NAMES.len())].to_owned()
    }

    fn text(&mut self) -> String {
        TEXTS[self.below(TEXTS.len())].to_owned()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap_or_default()
    }
}

/// The same value with a number in its texts, so that no two copies are equal.
fn numbered(value: &Value, number: usize) -> Value {
    match value {
        Value::String(text) => json!(format!("{text}{number}")),
        Value::Array(elements) => elements.iter().map(|element| numbered(element, number)).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, inner)| (name.clone(), numbered(inner, number))).collect(),
        ),
        other => other.clone(),
    }
}
