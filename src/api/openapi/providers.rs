//! The settings and secrets of each provider in the OpenAPI document, generated from the adapters' declarations.

use utoipa::openapi::schema::{Object, Schema};
use utoipa::openapi::{Components, RefOr};

use crate::adapters::{ADAPTERS, AdapterSpec};

/// Adds the providers, their settings and secrets to the schemas of credentials.
pub(super) fn describe(components: &mut Components) {
    let words: Vec<_> = ADAPTERS.iter().map(|spec| spec.provider.as_str().into()).collect();
    for name in ["CredentialCreate", "CredentialUpdate"] {
        let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) else { continue };
        if let Some(provider) = member(schema, "provider").filter(|_| !words.is_empty()) {
            provider.enum_values = Some(words.clone());
        }
        describe_member(schema, "settings", settings);
        describe_member(schema, "secret", secrets);
    }
}

fn member<'a>(schema: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    match schema.properties.get_mut(name) {
        Some(RefOr::T(Schema::Object(member))) => Some(member),
        _ => None,
    }
}

/// Appends the text of each provider to the description of the field.
fn describe_member(schema: &mut Object, name: &str, tell: fn(&AdapterSpec) -> String) {
    let Some(member) = member(schema, name) else { return };
    let said = member.description.take();
    let told = ADAPTERS.iter().map(|spec| format!("**{}**\n\n{}", spec.title, tell(spec)));
    member.description = Some(said.into_iter().chain(told).collect::<Vec<_>>().join("\n\n"));
}

fn settings(spec: &AdapterSpec) -> String {
    let line = |setting: &crate::adapters::SettingSpec| {
        let required = if setting.required { " (required)" } else { "" };
        format!("- `{}`{required}: {}", setting.name, setting.note)
    };
    spec.settings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn secrets(spec: &AdapterSpec) -> String {
    let line =
        |form: &crate::adapters::SecretForm| format!("- `{{{}}}`: {}", form.members.join(", "), form.note);
    spec.secrets.iter().map(line).collect::<Vec<_>>().join("\n")
}
