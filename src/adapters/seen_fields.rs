//! Collects the remote fields that contacts show.

use std::collections::{HashMap, HashSet};

use super::adapter::{AdapterSpec, RemoteFieldSpec, RemoteKind};
use super::definitions::{
    FieldChoice, MOST_CHOICES, RemoteFieldDefinition, SeenFields, kept_label, kept_text,
};
use crate::domain::{Contact, Text, field_key};
use crate::json::{self, Kind};

/// The most custom fields, and the most fields that contacts show.
const MOST_FIELDS: usize = 1_000;

impl SeenFields {
    #[must_use]
    pub fn of<'a>(spec: &AdapterSpec, contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let mut seen = FieldCollector::default();
        for contact in contacts {
            for (name, value) in &contact.remote_fields.0 {
                seen.add(spec.remote_field(name), name, value.as_str());
            }
        }
        let fields = seen.fields.into_iter().map(|field| field.definition);
        Self { fields: fields.collect() }
    }
}

#[derive(Default)]
struct FieldCollector {
    fields: Vec<CollectedField>,
    /// The index of each field, by key and id of the custom field.
    known: HashMap<(String, Option<String>), usize>,
}

#[derive(Default)]
struct CollectedField {
    definition: RemoteFieldDefinition,
    choices: HashSet<Text>,
}

impl FieldCollector {
    fn add(&mut self, spec: Option<&'static RemoteFieldSpec>, name: &Text, raw: &str) {
        let name = spec.map_or(name.as_str(), |spec| spec.name);
        let kind = json::kind(raw);
        match spec.map(|spec| spec.kind) {
            Some(RemoteKind::CustomFields { label, data_type }) => {
                for (id, raw) in json::members(raw).unwrap_or_default().0 {
                    self.add_custom(name, &id, raw.get(), label, data_type);
                }
            }
            Some(RemoteKind::Choice) => {
                let value = json::string(raw).and_then(|text| kept_text(&text));
                let Some(field) = self.field(name, None) else { return };
                field.see(kind);
                if let Some(value) = value.filter(|_| field.choices.len() < MOST_CHOICES)
                    && field.choices.insert(value.clone())
                {
                    field.definition.choices.push(FieldChoice::of(value));
                }
            }
            _ => {
                if let Some(field) = self.field(name, None) {
                    field.see(kind);
                }
            }
        }
    }

    fn add_custom(&mut self, name: &str, id: &str, raw: &str, label: &str, data_type: &str) {
        let Some(field) = self.field(name, Some(id)) else { return };
        let shown = json::members(raw).unwrap_or_default();
        let text = |key: &str| shown.get(key).and_then(|raw| json::string(raw.get()));
        let definition = &mut field.definition;
        definition.label = definition.label.take().or_else(|| text(label).and_then(|text| kept_label(&text)));
        definition.data_type =
            definition.data_type.take().or_else(|| text(data_type).and_then(|text| kept_text(&text)));
    }

    /// The field, unless there are too many.
    fn field(&mut self, name: &str, custom: Option<&str>) -> Option<&mut CollectedField> {
        let key = (field_key(name), custom.map(str::to_owned));
        if let Some(index) = self.known.get(&key) {
            return self.fields.get_mut(*index);
        }
        let (name, custom_field_id) = (kept_text(name)?, custom.map(kept_text));
        if self.fields.len() >= MOST_FIELDS || custom_field_id == Some(None) {
            return None;
        }
        self.known.insert(key, self.fields.len());
        let custom_field_id = custom_field_id.flatten();
        let definition = RemoteFieldDefinition { name, custom_field_id, ..RemoteFieldDefinition::default() };
        self.fields.push(CollectedField { definition, choices: HashSet::new() });
        self.fields.last_mut()
    }
}

impl CollectedField {
    /// The type of the first value that is not null; none if another value has another type.
    fn see(&mut self, kind: Kind) {
        let Some(word) = kind.json_type().map(Text::from_static) else { return };
        match &self.definition.json_type {
            None => self.definition.json_type = Some(word),
            Some(known) if *known != word => self.definition.json_type = Some(Text::from_static("mixed")),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::adapters::spec;
    use crate::domain::{RawJson, RemoteFields, RemoteId};
    use crate::instructions::linear;

    /// Somebody with `n` fields and `n` custom fields.
    fn contact(n: usize) -> Contact {
        let field = |name: String, value: String| (name.into(), RawJson::from_validated(value.into()));
        let custom: Vec<_> = (0..n).map(|n| format!("\"id{n}\":{{\"name\":\"Field {n}\"}}")).collect();
        let mut fields: Vec<_> = (0..n).map(|n| field(format!("f{n}"), "1".to_owned())).collect();
        fields.push(field("customFields".to_owned(), format!("{{{}}}", custom.join(","))));
        fields.push(field("contactType".to_owned(), format!("\"Type {n}\"")));
        Contact { remote_fields: RemoteFields(fields), ..Contact::bare(RemoteId::from("abc123")) }
    }

    #[test]
    fn seeing_fields_takes_linear_work() {
        linear(
            "adapters::seen_fields::tests::seeing_fields_takes_linear_work",
            &[
                ("fields of one contact", 300, |n| {
                    let contacts = [contact(n)];
                    Box::new(move || drop(black_box(SeenFields::of(spec("aptly").unwrap(), &contacts))))
                }),
                ("contacts", 100, |n| {
                    let contacts: Vec<Contact> = (0..n).map(|_| contact(5)).collect();
                    Box::new(move || drop(black_box(SeenFields::of(spec("aptly").unwrap(), &contacts))))
                }),
            ],
        );
    }

    #[test]
    fn of_values_only_those_of_choices_are_kept() {
        let raw = |text: &str| RawJson::from_validated(text.into());
        let fields = vec![
            ("Contact Type".into(), raw("\"Tenant\"")),
            ("title".into(), raw("\"Countess\"")),
            ("note".into(), raw("null")),
            ("score".into(), raw("3")),
            (
                "customFields".into(),
                raw(r#"{"id1":{"name":"Role","dataType":"text","value":"Guest"},"id2":5}"#),
            ),
        ];
        let one = Contact { remote_fields: RemoteFields(fields), ..Contact::bare(RemoteId::from("abc123")) };
        let other = vec![("score".into(), raw("\"high\"")), ("contactType".into(), raw("\"Tenant\""))];
        let other = Contact { remote_fields: RemoteFields(other), ..Contact::bare(RemoteId::from("abc124")) };
        let seen = SeenFields::of(spec("aptly").unwrap(), [&one, &other]);
        let shown: Vec<_> = seen
            .fields
            .iter()
            .map(|field| {
                let part = |text: &Option<Text>| text.as_deref().unwrap_or("-").to_owned();
                let choices: Vec<&str> = field.choices.iter().map(|choice| choice.value.as_str()).collect();
                [
                    field.name.as_str().to_owned(),
                    part(&field.custom_field_id),
                    part(&field.label),
                    part(&field.json_type),
                    part(&field.data_type),
                    choices.join(","),
                ]
                .join(" ")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "contactType - - string - Tenant",
                "title - - string - ",
                "note - - - - ",
                "score - - mixed - ",
                "customFields id1 Role - text ",
                "customFields id2 - - - ",
            ]
        );
        assert_eq!(seen.values("contactType").map(Text::as_str).collect::<Vec<_>>(), ["Tenant"]);
    }
}
