//! Settings and secrets of a credential, checked against what its adapter declares.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{Failure, Faults, FieldFault, RawJson, Region, Result, Text, abbreviated};
use crate::json::{self, Kind};
use crate::upstream::is_plain_segment;

/// One setting of a credential.
#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    /// The member's name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: SettingKind,
    /// Whether a credential without it is refused.
    pub required: bool,
    /// What it does, one sentence, with its default.
    pub note: &'static str,
}

impl SettingSpec {
    /// A setting that may be left out.
    pub(super) const fn optional(name: &'static str, kind: SettingKind, note: &'static str) -> Self {
        Self { name, kind, required: false, note }
    }
}

/// What a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A base URL; the guard decides further.
    BaseUrl,
    /// An ISO 3166 country of two letters, upper case.
    Region,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A path template with `{id}` as one whole segment.
    PathTemplate,
    /// An object of `remoteFields`.
    RemoteFields,
    /// A name of the caller's choice: credentials with the same one share the CRM's rate limit.
    LimitGroup,
    /// The part of the CRM's rate limit that the gateway may use: a number above 0 and at most 1.
    LimitShare,
}

/// One form that a secret may have: all these members and no others.
#[derive(Clone, Copy, Debug)]
pub struct SecretForm {
    /// Members, each a string that is not empty.
    pub members: &'static [&'static str],
    /// What it is.
    pub note: &'static str,
}

/// A credential's settings, each known and well formed.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(&'static SettingSpec, RawJson)>);

impl Settings {
    /// Reads the JSON object `text` against `specs`; members that are `null` count as absent.
    /// Fails with `validation_failed` naming every fault under `/settings`.
    pub fn read(specs: &'static [SettingSpec], text: &str) -> Result<Self> {
        let Some(members) = json::members(text) else {
            return Err(Failure::validation(vec![FieldFault::member(
                "/settings",
                "wrong_type",
                "`settings` must be an object.",
            )]));
        };
        let (mut settings, mut faults) = (Vec::new(), Faults::new());
        for (name, raw) in members.0.iter().filter(|(_, raw)| json::kind(raw.get()) != Kind::Null) {
            let pointer = || format!("/settings/{}", pointer_token(name));
            match specs.iter().find(|spec| spec.name == name) {
                None => {
                    faults.add(|| FieldFault::member(pointer(), "unknown_member", unknown(name, specs)));
                }
                Some(spec) => match spec.kind.check(raw.get()) {
                    Ok(()) => settings.push((spec, RawJson::from_validated(Text::from(raw.get())))),
                    Err(detail) => faults.add(|| FieldFault::member(pointer(), "malformed", detail)),
                },
            }
        }
        for spec in specs
            .iter()
            .filter(|spec| spec.required && !settings.iter().any(|(given, _)| given.name == spec.name))
        {
            faults.push(FieldFault::member(
                format!("/settings/{}", spec.name),
                "required",
                format!("`{}` is required: {}", spec.name, spec.note),
            ));
        }
        if faults.is_empty() { Ok(Self(settings)) } else { Err(Failure::validation(faults)) }
    }

    /// The setting as raw JSON.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&RawJson> {
        self.0.iter().find(|(spec, _)| spec.name == name).map(|(_, raw)| raw)
    }

    /// The setting as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        self.raw(name).and_then(|raw| json::string(raw.as_str())).map(|text| Text::from(text.as_ref()))
    }

    /// The name of those that share the CRM's rate limit, if there is one.
    #[must_use]
    pub fn limit_group(&self) -> Option<Text> {
        let raw = self.of_kind(SettingKind::LimitGroup)?;
        json::string(raw.as_str()).map(|text| Text::from(text.as_ref()))
    }

    /// The part of the CRM's rate limit that may be used; absent is 1.
    #[must_use]
    pub fn limit_share(&self) -> f64 {
        self.of_kind(SettingKind::LimitShare).and_then(|raw| share(raw.as_str())).unwrap_or(1.0)
    }

    fn of_kind(&self, kind: SettingKind) -> Option<&RawJson> {
        self.0.iter().find(|(spec, _)| spec.kind == kind).map(|(_, raw)| raw)
    }

    /// The setting as a flag; absent is false.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.as_str() == "true")
    }
}

impl SettingKind {
    fn check(self, raw: &str) -> std::result::Result<(), String> {
        let text = json::string(raw);
        let ok = match self {
            Self::BaseUrl => text.is_some_and(|text| !text.is_empty()),
            Self::Region => text.is_some_and(|text| Region::is_known(&text)),
            Self::Flag => json::kind(raw) == Kind::Bool,
            Self::Word(words) => text.is_some_and(|text| words.contains(&text.as_ref())),
            Self::PathTemplate => text.is_some_and(|text| is_path_template(&text)),
            Self::RemoteFields => json::kind(raw) == Kind::Object,
            Self::LimitGroup => text.is_some_and(|text| is_name(&text)),
            Self::LimitShare => share(raw).is_some(),
        };
        if ok { Ok(()) } else { Err(self.expectation()) }
    }

    fn expectation(self) -> String {
        match self {
            Self::BaseUrl => "It must be a URL such as https://crm.example.com.".to_owned(),
            Self::Region => "It must be a country of two capital letters, such as US or CA.".to_owned(),
            Self::Flag => "It must be true or false.".to_owned(),
            Self::Word(words) => format!("It must be one of: {}.", words.join(", ")),
            Self::PathTemplate => {
                "It must begin with `/`, hold `{id}` once as a whole segment, and hold no segment such as `..`, `.` or `..;`, and no `%`, `?`, `#` or backslash."
                    .to_owned()
            }
            Self::RemoteFields => "It must be an object of remoteFields.".to_owned(),
            Self::LimitGroup => "It must be a text of 1 to 100 characters that is not blank.".to_owned(),
            Self::LimitShare => "It must be a number above 0 and at most 1, such as 0.5.".to_owned(),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control)
}

fn share(raw: &str) -> Option<f64> {
    let number = if json::kind(raw) == Kind::Number { raw.trim().parse().ok() } else { None };
    number.filter(|share| *share > 0.0 && *share <= 1.0)
}

fn is_path_template(text: &str) -> bool {
    let mut segments = text.split('/');
    segments.next() == Some("")
        && segments.clone().filter(|segment| *segment == "{id}").count() == 1
        && text.matches(['{', '}']).count() == 2
        && segments.all(is_plain_segment)
}

fn unknown(name: &str, specs: &[SettingSpec]) -> String {
    let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
    let name = abbreviated(name);
    format!("`{name}` is no setting of this provider; there are: {}.", names.join(", "))
}

/// A name as one token of an RFC 6901 pointer; of a name longer than any that a CRM has, the first part.
#[must_use]
pub fn pointer_token(name: &str) -> String {
    abbreviated(name).replace('~', "~0").replace('/', "~1")
}

/// The members of a credential's secret. It has no `Debug`, and its values show themselves to nobody by accident.
pub struct CredentialSecret(BTreeMap<String, SecretString>);

impl CredentialSecret {
    /// Reads the JSON object `text` against `forms`.
    /// Fails with `validation_failed` at `/secret`, never showing a value.
    pub fn read(forms: &'static [SecretForm], text: &str) -> Result<Self> {
        let members = json::members(text).ok_or_else(|| refused(forms))?;
        let mut secret = BTreeMap::new();
        for (name, raw) in &members.0 {
            let value = json::string(raw.get())
                .filter(|value| !value.trim().is_empty())
                .ok_or_else(|| refused(forms))?;
            secret.insert(name.clone().into_owned(), SecretString::from(value.into_owned()));
        }
        let fits = |form: &SecretForm| {
            form.members.len() == secret.len() && form.members.iter().all(|name| secret.contains_key(*name))
        };
        if forms.iter().any(fits) { Ok(Self(secret)) } else { Err(refused(forms)) }
    }

    /// One member's value; empty where the form has no such member.
    #[must_use]
    pub fn expose(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.expose_secret())
    }
}

fn refused(forms: &[SecretForm]) -> Failure {
    let forms: Vec<String> = forms.iter().map(|form| format!("{{{}}}", form.members.join(", "))).collect();
    let detail =
        format!("`secret` must be an object with exactly these strings, none empty: {}.", forms.join(" or "));
    Failure::validation(vec![FieldFault::member("/secret", "malformed", detail)])
}
