//! What a credential can read and write: the CRM's declaration, joined with its live definitions and with what some of its
//! contacts show.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::adapters::{
    AdapterSpec, FieldChoice, Pushed, RemoteFieldDefinition, RemoteFieldSpec, RemoteKind, SeenFields,
};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, Failure, Result, Text, Warning, WarningCode, field_key, string_enum,
};
use crate::gateway::credentials::ConnectedCredential;

/// How many contacts are read. The CRM may return more rows.
const SAMPLE: usize = 50;

/// What is known of the fields of a CRM, or of an account at it.
pub struct FieldsDescription {
    pub spec: &'static AdapterSpec,
    /// Those that can be written first.
    pub remote_fields: Vec<RemoteFieldDescription>,
    /// The sources that could not be read.
    pub warnings: Vec<Warning>,
}

pub struct RemoteFieldDescription {
    /// Without choices.
    pub definition: RemoteFieldDefinition,
    /// How it is written; `None` if it cannot be written. A custom field is written as part of the field that holds it.
    pub declared: Option<&'static RemoteFieldSpec>,
    pub choices: Vec<(FieldChoice, KnowledgeSource)>,
    /// Where it is known from.
    pub sources: Vec<KnowledgeSource>,
}

string_enum! {
    /// Where the knowledge about a field or a choice comes from.
    pub enum KnowledgeSource {
        /// The gateway's declaration of the CRM.
        Declared = "declared",
        /// The CRM's own definitions, read live. Only these refuse a write.
        Live = "live",
        /// Contacts that were read.
        Seen = "seen",
    }
}

impl FieldsDescription {
    /// What the declaration alone says.
    #[must_use]
    pub fn declared(spec: &'static AdapterSpec) -> Self {
        let declared = spec.remote_fields.iter().map(|field| RemoteFieldDefinition {
            name: Text::from_static(field.name),
            json_type: Some(Text::from_static(field.kind.json_type())),
            ..RemoteFieldDefinition::default()
        });
        let mut described = Self { spec, remote_fields: Vec::new(), warnings: Vec::new() };
        described.join(KnowledgeSource::Declared, declared);
        described
    }

    /// The approximate size of its texts in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.remote_fields.iter().map(|field| 200 + 100 * field.choices.len()).sum()
    }

    /// Adds what `source` shows. What is known already stays.
    pub fn join(
        &mut self,
        source: KnowledgeSource,
        definitions: impl IntoIterator<Item = RemoteFieldDefinition>,
    ) {
        let key = |definition: &RemoteFieldDefinition| {
            (field_key(&definition.name), definition.custom_field_id.clone())
        };
        let known = self.remote_fields.iter().enumerate();
        let mut known: HashMap<_, _> = known.map(|(index, field)| (key(&field.definition), index)).collect();
        for definition in definitions {
            let index = *known.entry(key(&definition)).or_insert_with(|| {
                self.remote_fields.push(RemoteFieldDescription::of(self.spec, &definition));
                self.remote_fields.len() - 1
            });
            if let Some(field) = self.remote_fields.get_mut(index) {
                field.join(source, definition);
            }
        }
    }

    fn warn(&mut self, call: &str, gives: &str, failure: &Failure) {
        let code = failure.kind.code();
        let message = format!("Could not be read: {call} (`{code}`). Missing here: {gives}.");
        self.warnings.push(Warning::new(WarningCode::Incomplete, "/remoteFields", message));
    }
}

impl RemoteFieldDescription {
    fn of(spec: &AdapterSpec, definition: &RemoteFieldDefinition) -> Self {
        let declared = spec.remote_field(&definition.name);
        let holds_custom = |field: &&RemoteFieldSpec| matches!(field.kind, RemoteKind::CustomFields { .. });
        let definition = RemoteFieldDefinition {
            name: declared.map_or_else(|| definition.name.clone(), |field| Text::from_static(field.name)),
            custom_field_id: definition.custom_field_id.clone(),
            ..RemoteFieldDefinition::default()
        };
        let is_custom = definition.custom_field_id.is_some();
        let declared = declared.filter(|field| !is_custom || holds_custom(field));
        Self { definition, declared, choices: Vec::new(), sources: Vec::new() }
    }

    fn join(&mut self, source: KnowledgeSource, other: RemoteFieldDefinition) {
        let RemoteFieldDefinition {
            name: _,
            custom_field_id: _,
            label,
            json_type,
            data_type,
            hidden,
            choices,
        } = other;
        let definition = &mut self.definition;
        definition.label = definition.label.take().or(label);
        definition.json_type = definition.json_type.take().or(json_type);
        definition.data_type = definition.data_type.take().or(data_type);
        definition.hidden |= hidden;
        if !self.sources.contains(&source) {
            self.sources.push(source);
        }
        // Two pipelines may have stages of one name, which another source shows without its pipeline.
        let known: HashSet<Text> = self.choices.iter().map(|(choice, _)| choice.value.clone()).collect();
        let new = choices.into_iter().filter(|choice| !known.contains(&choice.value));
        self.choices.extend(new.map(|choice| (choice, source)));
    }
}

/// Describes the fields of an account. Never fails: a source that cannot be read is a warning.
pub(super) async fn describe(context: &CallContext, opened: &ConnectedCredential) -> FieldsDescription {
    let mut described = FieldsDescription::declared(opened.spec);
    // Each part may hang, and the rest is shown all the same.
    let part = context.with_timeout(context.remaining() / 3);
    let seen = opened.seen_fields.recent(&part, "", seen_fields(&part, opened)).await;
    let seen = seen.unwrap_or_else(|failure| {
        described.warn("the list of contacts", "fields and choices that contacts show", &failure);
        Arc::default()
    });
    let part = context.with_timeout(context.remaining() * 3 / 4);
    let live = opened.adapter.describe(&part, &seen).await;
    described.join(KnowledgeSource::Live, live.fields);
    described.join(KnowledgeSource::Seen, seen.fields.iter().cloned());
    for (source, failure) in live.unread {
        described.warn(&format!("`{}`", source.call), source.gives, &failure);
    }
    described
}

/// The fields of the first rows of the list, and of one contact that is read by its id, which may show more.
async fn seen_fields(context: &CallContext, opened: &ConnectedCredential) -> Result<SeenFields> {
    let page = opened.adapter.read_page(context, &Pushed::default(), None, SAMPLE).await?;
    let mut contacts: Vec<Contact> = page.rows.into_iter().flatten().collect();
    if let Some(first) = contacts.first()
        && let Ok(whole) = opened.adapter.get_contact(context, &first.remote_id).await
    {
        contacts.push(whole);
    }
    let size = contacts.iter().map(Contact::size).sum();
    blocking::within(context, size, || SeenFields::of(opened.spec, &contacts)).await
}
