//! The fields of a CRM, or of an account at it, in a response.

use serde::Serialize;
use utoipa::ToSchema;

use super::warning::WarningShape;
use super::{Each, Show, shape};
use crate::adapters::{AdapterSpec, FieldChoice, FieldSpec, RemoteFieldDefinition, Write, documentation};
use crate::domain::{FilterName, Warning};
use crate::gateway::contacts::{FieldsDescription, KnowledgeSource, RemoteFieldDescription};

/// The fields of an account at a CRM.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FieldsAnswer)]
pub(in crate::api) struct FieldsResponse<'a> {
    /// The provider of the CRM.
    provider: &'static str,
    /// The fields of the unified contact.
    fields: Vec<FieldShape>,
    /// The fields in `remoteFields`. Those that can be written come first.
    #[schema(value_type = Vec<RemoteFieldShape>)]
    remote_fields: Each<'a, RemoteFieldDescription>,
    /// Sources that could not be read.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

/// A field of the unified contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ContactField)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing about the field")]
pub(in crate::api) struct FieldShape {
    /// The field. `emailAddressType` and `phoneNumberType` are fields of the entries of a list.
    name: &'static str,
    /// The JSON type of its value.
    #[serde(rename = "type")]
    json_type: &'static str,
    /// `date-time` for timestamps, else null.
    #[schema(required = true)]
    format: Option<&'static str>,
    /// The most entries of a list that a write adds; null if it is no list.
    #[schema(required = true)]
    max_entries: Option<usize>,
    /// Whether the CRM shows it.
    readable: bool,
    /// What it is read from.
    #[schema(required = true)]
    read_from: Option<&'static str>,
    /// Whether rows of a list show it. Otherwise only a read of one contact does.
    in_lists: bool,
    /// Whether a write can set it.
    writable: bool,
    /// What it is written to; null if it is not stored as it is.
    #[schema(required = true)]
    written_to: Option<&'static str>,
    /// Why it is stored in part or not at all; null if all of it is stored. A write that loses something has a warning.
    #[schema(required = true)]
    lost: Option<String>,
    /// Whether a create without it is refused.
    required_on_create: bool,
    /// How the written value is compared with the value that is read back.
    verified: &'static str,
    /// The filters by this field.
    filters: Vec<FieldFilterShape>,
}

/// A filter of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FieldFilter)]
struct FieldFilterShape {
    /// The query parameter.
    parameter: &'static str,
    /// Who applies it: `native` is the CRM, `here` the gateway, `no` nobody.
    #[schema(value_type = String)]
    applied: &'static str,
    /// The CRM's own parameter, if it applies the filter.
    #[schema(required = true)]
    remote_parameter: Option<&'static str>,
    /// How it is answered.
    note: &'static str,
}

shape! {
    /// A field in `remoteFields`, or a custom field in one of these.
    #[schema(as = RemoteField)]
    pub(in crate::api) struct RemoteFieldShape<'a> of RemoteFieldDescription {
        // The choices of the definition are shown with their sources.
        definition: RemoteFieldDefinition { name, custom_field_id, label, json_type, data_type, hidden, choices: _ },
        declared, choices, sources
    } => {
        /// The key in `remoteFields`.
        name: &'a str = name,
        /// The id of a custom field: a key of the object that the field `name` holds. Null for other fields.
        #[schema(required = true)]
        custom_field_id: Option<&'a str> = custom_field_id.as_deref(),
        /// The name that people see in the CRM, if it is known.
        #[schema(required = true)]
        label: Option<&'a str> = label.as_deref(),
        /// The JSON type of its values, `mixed` if there are several, null if it is not known.
        #[serde(rename = "type")]
        #[schema(required = true)]
        json_type: Option<&'a str> = json_type.as_deref(),
        /// The CRM's own word for the type.
        #[schema(required = true)]
        data_type: Option<&'a str> = data_type.as_deref(),
        /// Whether a write can set it.
        writable: bool = declared.is_some(),
        /// Whether only a create can set it.
        on_create_only: bool = declared.is_some_and(|declared| declared.on_create_only),
        /// What it holds.
        #[schema(required = true)]
        description: Option<&'static str> =
            declared.filter(|_| custom_field_id.is_none()).map(|declared| declared.note),
        /// Whether the CRM hides it from its users.
        hidden: bool = *hidden,
        /// Known values. The list may not be complete.
        #[schema(value_type = Vec<FieldChoiceShape>)]
        choices: Each<'a, (FieldChoice, KnowledgeSource)> = Each(choices),
        /// Where it is known from: `declared` by the gateway, read `live` from the CRM's definitions, `seen` in contacts.
        #[schema(value_type = Vec<String>)]
        sources: Vec<&'static str> = sources.iter().map(|source| source.as_str()).collect(),
    }
}

/// A value that a field can have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FieldChoice)]
pub(in crate::api) struct FieldChoiceShape<'a> {
    /// The value, as it is written.
    value: &'a str,
    /// The name that people see in the CRM, if it differs.
    #[schema(required = true)]
    label: Option<&'a str>,
    /// The choice of another field to which this one belongs, such as the pipeline of a stage.
    #[schema(required = true)]
    within: Option<&'a str>,
    /// Where it is known from: `live` or `seen`. Only a write with an unknown value of a field with `live` choices is refused.
    source: &'static str,
}

impl<'a> FieldsResponse<'a> {
    /// The response that shows `described`.
    pub(in crate::api) fn of(described: &'a FieldsDescription) -> Self {
        let FieldsDescription { spec, remote_fields, warnings } = described;
        Self {
            provider: spec.provider.as_str(),
            fields: fields(spec),
            remote_fields: Each(remote_fields),
            warnings: Each(warnings),
        }
    }
}

/// The unified fields, as the CRM's adapter declares them.
pub(super) fn fields(spec: &AdapterSpec) -> Vec<FieldShape> {
    spec.fields.iter().map(|field| FieldShape::of(spec, field)).collect()
}

impl FieldShape {
    fn of(spec: &AdapterSpec, declared: &FieldSpec) -> Self {
        let FieldSpec { field, read, write, verify, required, in_lists } = *declared;
        let written_to = match write {
            Write::Stored(to) => Some(to),
            Write::Partly(_) | Write::Never(_) | Write::ReadOnly => None,
        };
        let filters = FilterName::ALL.iter().filter(|name| name.field() == field);
        Self {
            name: field.name(),
            json_type: field.json_type(),
            format: field.is_time().then_some("date-time"),
            max_entries: field.entries_most(),
            readable: read.is_some(),
            read_from: read,
            in_lists: in_lists && read.is_some(),
            writable: matches!(write, Write::Stored(_) | Write::Partly(_)),
            written_to,
            lost: documentation::lost(write),
            required_on_create: required || field.is_required(),
            verified: documentation::verified(verify),
            filters: filters.map(|name| FieldFilterShape::of(spec, *name)).collect(),
        }
    }
}

impl FieldFilterShape {
    fn of(spec: &AdapterSpec, name: FilterName) -> Self {
        Self {
            parameter: name.parameter(),
            applied: spec.filterable(name).as_str(),
            remote_parameter: spec.filter(name).map(|filter| filter.upstream),
            note: documentation::support(spec, name).1,
        }
    }
}

impl Show for (FieldChoice, KnowledgeSource) {
    type Shape<'a> = FieldChoiceShape<'a>;

    fn show(&self) -> FieldChoiceShape<'_> {
        let (FieldChoice { value, label, within }, source) = self;
        let source = source.as_str();
        FieldChoiceShape { value, label: label.as_deref(), within: within.as_deref(), source }
    }
}
