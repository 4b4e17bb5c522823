//! Examples of requests and responses, by the name of their schema. They are in files; only what CRMs declare is rendered from
//! their declarations. Tests compare every example with its schema, and send the request examples to a new demo.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::example::{Example, ExampleBuilder};

use crate::adapters::{ADAPTERS, FieldChoice, RemoteFieldDefinition, spec};
use crate::api::schema::{FieldsResponse, ProvidersResponse, declared_providers};
use crate::domain::Text;
use crate::gateway::contacts::{FieldsDescription, KnowledgeSource};

/// The examples of the schema `name`.
pub(super) fn of(name: &str) -> Vec<(String, RefOr<Example>)> {
    match name {
        "FieldsAnswer" => [("aptly", "An account at Aptly"), ("pipeline", "An account at the pipeline CRM")]
            .map(|(crm, summary)| rendered(crm, summary, &FieldsResponse::of(&described(crm))))
            .into(),
        "ProvidersAnswer" => {
            let providers = declared_providers();
            let response = ProvidersResponse::of(&providers, |spec| spec.limits.to_vec());
            vec![rendered("all", "All CRMs", &response)]
        }
        other => from_files(other).collect(),
    }
}

fn rendered(name: &str, summary: &str, response: &impl Serialize) -> (String, RefOr<Example>) {
    let value = serde_json::to_value(response).unwrap_or_default();
    (name.to_owned(), ExampleBuilder::new().summary(summary).value(Some(value)).build().into())
}

/// Files with examples in OpenAPI format: one for each CRM, and one for the gateway.
fn files() -> impl Iterator<Item = &'static str> {
    ADAPTERS.iter().map(|spec| spec.examples).chain([include_str!("examples.json")])
}

fn from_files(schema: &str) -> impl Iterator<Item = (String, RefOr<Example>)> {
    files().flat_map(move |file| {
        let mut schemas: BTreeMap<String, BTreeMap<String, Example>> =
            serde_json::from_str(file).unwrap_or_default();
        schemas.remove(schema).into_iter().flatten().map(|(name, example)| (name, example.into()))
    })
}

/// The declaration, with a definition that is read live and one that contacts show.
fn described(provider: &str) -> FieldsDescription {
    let mut described = FieldsDescription::declared(spec(provider).unwrap_or(ADAPTERS[0]));
    let field =
        |name: &'static str, value: &'static str, label: Option<&'static str>| RemoteFieldDefinition {
            name: name.into(),
            choices: vec![FieldChoice {
                value: value.into(),
                label: label.map(Text::from_static),
                within: None,
            }],
            ..RemoteFieldDefinition::default()
        };
    let (live, seen) = match provider {
        "aptly" => (
            field("typeId", "tEn4ntTyp3Qw8RbZk", None),
            RemoteFieldDefinition {
                name: "customFields".into(),
                custom_field_id: Some("5D8LYiyMt54aKD7x9".into()),
                label: Some("Occupant Role".into()),
                data_type: Some("text".into()),
                ..RemoteFieldDefinition::default()
            },
        ),
        _ => (
            field("pipelineStage", "64f0a1b2c3d4e5f6a7b8c9d2", Some("New Lead")),
            RemoteFieldDefinition {
                name: "source".into(),
                json_type: Some("string".into()),
                ..RemoteFieldDefinition::default()
            },
        ),
    };
    described.join(KnowledgeSource::Live, [live]);
    described.join(KnowledgeSource::Seen, [seen]);
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_examples_is_read() {
        for file in files() {
            let schemas: BTreeMap<String, BTreeMap<String, Example>> = serde_json::from_str(file).unwrap();
            assert!(schemas.values().flat_map(BTreeMap::values).all(|example| example.value.is_some()));
        }
    }
}
