//! Providers in responses: what a CRM can do, and how a credential is made for it, all from the adapter's declaration.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Each;
use super::fields::{FieldShape, RemoteFieldShape, fields};
use crate::adapters::{
    ADAPTERS, AdapterSpec, LiveSource, MOST_CALLS, Paging, SecretForm, SettingKind, SettingSpec,
};
use crate::gateway::contacts::{FieldsDescription, RemoteFieldDescription};
use crate::upstream::RateLimit;

/// The supported CRMs.
#[derive(Serialize, ToSchema)]
#[schema(as = ProvidersAnswer)]
pub(in crate::api) struct ProvidersResponse<'a> {
    /// All providers.
    providers: Vec<ProviderShape<'a>>,
}

/// A supported CRM.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Provider)]
struct ProviderShape<'a> {
    /// The word for `provider` of a credential.
    provider: &'static str,
    /// The name of the CRM.
    title: &'static str,
    /// The operations on contacts that the CRM supports.
    operations: Vec<&'static str>,
    /// The operations that the CRM does not support: 501 `operation_unsupported`.
    unsupported: Vec<&'static str>,
    /// The fields by which contacts can be looked up, for `matchOn` of an upsert. The first one must be unique.
    identified_by: Vec<&'static str>,
    /// Whether a list takes a `pageNumber` above 1.
    page_numbers: bool,
    /// The rate limits of one account, which the gateway respects: those that the CRM publishes, unless the gateway's operator
    /// configured others. Empty if there are none.
    rate_limits: Vec<RateLimitShape>,
    /// The fields of the unified contact.
    fields: Vec<FieldShape>,
    /// The fields in `remoteFields` that can be written. `GET /crm/contacts/fields` has all of an account.
    #[schema(value_type = Vec<RemoteFieldShape>)]
    remote_fields: Each<'a, RemoteFieldDescription>,
    /// Where the CRM shows its own definitions of fields.
    live_sources: Vec<LiveSourceShape>,
    /// The JSON Schema of `settings` of a credential.
    #[schema(value_type = Object)]
    settings_schema: Value,
    /// The JSON Schema of `secret` of a credential.
    #[schema(value_type = Object)]
    secret_schema: Value,
}

/// A rate limit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RateLimit)]
struct RateLimitShape {
    /// The number of calls.
    calls: usize,
    /// The time in seconds.
    seconds: u64,
}

/// A call by which the CRM shows definitions of fields.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LiveSource)]
struct LiveSourceShape {
    /// Method and path at the CRM.
    call: &'static str,
    /// What it shows.
    gives: &'static str,
    /// The writes that are refused because of it; null if there are none.
    #[schema(required = true)]
    refuses: Option<&'static str>,
}

impl<'a> ProvidersResponse<'a> {
    /// The response that shows `described`, one for each provider, with the rate limits that are respected.
    pub(in crate::api) fn of(
        described: &'a [FieldsDescription],
        rate_limits: impl Fn(&AdapterSpec) -> Vec<RateLimit>,
    ) -> Self {
        let provider =
            |described: &'a FieldsDescription| ProviderShape::of(described, &rate_limits(described.spec));
        Self { providers: described.iter().map(provider).collect() }
    }
}

/// The descriptions of all providers, from their declarations.
pub(in crate::api) fn declared_providers() -> Vec<FieldsDescription> {
    ADAPTERS.iter().map(|spec| FieldsDescription::declared(spec)).collect()
}

impl<'a> ProviderShape<'a> {
    fn of(described: &'a FieldsDescription, rate_limits: &[RateLimit]) -> Self {
        let FieldsDescription { spec, remote_fields, warnings: _ } = described;
        let operations = |able: bool| {
            let named = spec.operations_by_name().into_iter().filter(move |(_, has)| *has == able);
            named.map(|(name, _)| name).collect()
        };
        let limit = |limit: &RateLimit| RateLimitShape { calls: limit.calls, seconds: limit.per.as_secs() };
        let source = |LiveSource { call, gives, refuses }: &LiveSource| LiveSourceShape {
            call,
            gives,
            refuses: *refuses,
        };
        Self {
            provider: spec.provider.as_str(),
            title: spec.title,
            operations: operations(true),
            unsupported: operations(false),
            identified_by: spec.identities.iter().map(|kind| kind.word()).collect(),
            page_numbers: !matches!(spec.paging, Paging::Cursor),
            rate_limits: rate_limits.iter().map(limit).collect(),
            fields: fields(spec),
            remote_fields: Each(remote_fields),
            live_sources: spec.live.iter().map(source).collect(),
            settings_schema: settings_schema(spec),
            secret_schema: secret_schema(spec.secrets),
        }
    }
}

/// The JSON Schema of the settings of a credential.
pub(in crate::api) fn settings_schema(spec: &AdapterSpec) -> Value {
    let properties =
        spec.settings.iter().map(|setting| (setting.name.to_owned(), setting_schema(spec, setting)));
    let required = spec.settings.iter().filter(|setting| setting.required).map(|setting| setting.name);
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": required.collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

fn setting_schema(spec: &AdapterSpec, setting: &SettingSpec) -> Value {
    let mut schema = match setting.kind {
        SettingKind::BaseUrl => json!({ "type": "string", "format": "uri", "minLength": 1 }),
        SettingKind::Region => json!({ "type": "string", "pattern": "^[A-Z]{2}$" }),
        SettingKind::Flag => json!({ "type": "boolean", "default": false }),
        SettingKind::Word(words) => json!({ "type": "string", "enum": words }),
        SettingKind::PathTemplate => {
            json!({ "type": "string", "pattern": "^/([^/{}%?#\\\\]+/)*\\{id\\}(/[^/{}%?#\\\\]+)*$" })
        }
        SettingKind::RemoteFields => {
            let field = |field: &crate::adapters::RemoteFieldSpec| {
                let schema = json!({ "type": field.kind.json_type(), "description": field.note });
                (field.name.to_owned(), schema)
            };
            let properties: Map<_, _> = spec.remote_fields.iter().map(field).collect();
            json!({ "type": "object", "properties": properties })
        }
        SettingKind::LimitGroup => json!({ "type": "string", "minLength": 1, "maxLength": 100 }),
        SettingKind::LimitShare => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1 })
        }
        SettingKind::CallRates => {
            let calls = json!({ "type": "integer", "minimum": 1, "maximum": MOST_CALLS });
            json!({
                "type": "object", "properties": { "perMinute": calls, "perSecond": calls },
                "additionalProperties": false,
            })
        }
    };
    schema["description"] = setting.note.into();
    if let (SettingKind::BaseUrl, Some(default)) = (setting.kind, spec.default_base_url) {
        schema["default"] = default.into();
    }
    schema
}

/// The JSON Schema of the secret of a credential.
pub(in crate::api) fn secret_schema(forms: &[SecretForm]) -> Value {
    let form = |form: &SecretForm| {
        let text = json!({ "type": "string", "minLength": 1, "format": "password", "writeOnly": true });
        let properties: Map<_, _> =
            form.members.iter().map(|member| ((*member).to_owned(), text.clone())).collect();
        json!({
            "type": "object", "description": form.note, "properties": properties, "required": form.members,
            "additionalProperties": false,
        })
    };
    json!({ "oneOf": forms.iter().map(form).collect::<Vec<_>>() })
}
