//! A CRM's own fields: where it shows their definitions, and what a definition says.

use crate::domain::{Failure, Result, Text, abbreviated};
use crate::upstream::{Decoded, Secrets};

/// The most choices of one field. If there are more, the list is not complete.
pub(super) const MOST_CHOICES: usize = 500;
/// Bytes of a choice or a name. Longer ones are left out.
const LONGEST: usize = 200;

/// A call by which the CRM shows definitions.
#[derive(Debug)]
pub struct LiveSource {
    /// Method and path.
    pub call: &'static str,
    /// What it shows, in a few words.
    pub gives: &'static str,
    /// The writes that are refused because of it; `None` if there are none.
    pub refuses: Option<&'static str>,
}

/// The CRM's own definitions of an account's fields.
#[derive(Debug, Default)]
pub struct LiveDefinitions {
    /// Each field at most once.
    pub fields: Vec<RemoteFieldDefinition>,
    /// The sources that could not be read.
    pub unread: Vec<(&'static LiveSource, Failure)>,
}

/// A key of `remoteFields`, or one custom field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteFieldDefinition {
    /// The key of `remoteFields`.
    pub name: Text,
    /// The id of a custom field, which is a key of the object that `name` holds.
    pub custom_field_id: Option<Text>,
    /// The name that people see in the CRM.
    pub label: Option<Text>,
    /// The JSON type of its values; `None` if it is not known.
    pub json_type: Option<Text>,
    /// The CRM's own word for the type.
    pub data_type: Option<Text>,
    /// Whether the CRM hides it from its users.
    pub hidden: bool,
    pub choices: Vec<FieldChoice>,
}

/// A value that a field can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The value, as it is written.
    pub value: Text,
    /// The name that people see in the CRM, if it is not the value.
    pub label: Option<Text>,
    /// The choice of another field to which this one belongs, such as the pipeline of a stage.
    pub within: Option<Text>,
}

impl FieldChoice {
    pub(super) const fn of(value: Text) -> Self {
        Self { value, label: None, within: None }
    }
}

impl RemoteFieldDefinition {
    /// A field with choices.
    pub(super) fn with_choices(name: &'static str, choices: Vec<FieldChoice>) -> Self {
        Self { name: Text::from_static(name), choices, ..Self::default() }
    }
}

/// Texts that were cut from a reply must not be kept, because they keep the whole reply in memory. `None` if it is blank or
/// too long to be a name or a choice.
pub(super) fn kept_text(text: &str) -> Option<Text> {
    (!text.trim().is_empty() && text.len() <= LONGEST).then(|| Text::from(text))
}

/// A name for people, shortened.
pub(super) fn kept_label(text: &str) -> Option<Text> {
    (!text.trim().is_empty()).then(|| Text::from(abbreviated(text).as_ref()))
}

/// The remote fields that some contacts show. Of values, only those of choices are kept.
#[derive(Clone, Debug, Default)]
pub struct SeenFields {
    /// In the order in which they were seen.
    pub fields: Vec<RemoteFieldDefinition>,
}

impl SeenFields {
    /// The values of the field `name` that were seen.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &Text> {
        let fields = self.fields.iter().filter(move |field| field.name.as_str() == name);
        fields.flat_map(|field| &field.choices).map(|choice| &choice.value)
    }
}

impl Decoded for RemoteFieldDefinition {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { name, custom_field_id, label, json_type: _, data_type, hidden: _, choices } = self;
        name.remove_secrets(secrets, struck)?;
        for text in [custom_field_id, label, data_type] {
            text.remove_secrets(secrets, struck)?;
        }
        choices.remove_secrets(secrets, struck)
    }
}

impl Decoded for FieldChoice {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { value, label, within } = self;
        value.remove_secrets(secrets, struck)?;
        label.remove_secrets(secrets, struck)?;
        within.remove_secrets(secrets, struck)
    }
}
