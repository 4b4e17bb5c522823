//! Settings and secrets of a credential, checked against what its adapter declares.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::config::CallRates;
use crate::domain::{Failure, Faults, FieldFault, RawJson, Region, Result, Text, abbreviated, suggestion};
use crate::json::{self, Kind};
use crate::upstream::is_plain_segment;

/// The highest rate that a credential can set.
pub const MOST_CALLS: u32 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    pub name: &'static str,
    pub kind: SettingKind,
    /// Whether a credential without it is refused.
    pub required: bool,
    /// What it does, in one sentence, with its default.
    pub note: &'static str,
}

impl SettingSpec {
    pub(super) const fn optional(name: &'static str, kind: SettingKind, note: &'static str) -> Self {
        Self { name, kind, required: false, note }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A base URL. The guard of outgoing connections checks it further.
    BaseUrl,
    /// An ISO 3166 country code of two capital letters.
    Region,
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A path template with `{id}` as one whole segment.
    PathTemplate,
    /// An object of `remoteFields`.
    RemoteFields,
    /// A name that the caller chooses. Credentials with the same name share the CRM's rate limit.
    LimitGroup,
    /// The part of the CRM's rate limit that the gateway may use: above 0, at most 1.
    LimitShare,
    /// `perMinute` and `perSecond`, which lower the CRM's rate limit.
    CallRates,
}

/// One form of a secret: all of these fields and no others.
#[derive(Clone, Copy, Debug)]
pub struct SecretForm {
    /// The fields; each is a string that is not empty.
    pub members: &'static [&'static str],
    pub note: &'static str,
}

#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(&'static SettingSpec, RawJson)>);

impl Settings {
    /// Reads the JSON object `text` against `specs`. `null` fields count as absent.
    /// Fails with `validation_failed`, naming every fault under `/settings`.
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
        let is_given = |name: &str| members.get(name).is_some_and(|raw| json::kind(raw.get()) != Kind::Null);
        for spec in specs.iter().filter(|spec| spec.required && !is_given(spec.name)) {
            faults.push(FieldFault::member(
                format!("/settings/{}", spec.name),
                "required",
                format!("`{}` is required: {}", spec.name, spec.note),
            ));
        }
        if faults.is_empty() { Ok(Self(settings)) } else { Err(Failure::validation(faults)) }
    }

    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&RawJson> {
        self.0.iter().find(|(spec, _)| spec.name == name).map(|(_, raw)| raw)
    }

    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        self.raw(name).and_then(|raw| json::string(raw.as_str())).map(|text| Text::from(text.as_ref()))
    }

    /// The name of the group that shares the CRM's rate limit, if there is one.
    #[must_use]
    pub fn limit_group(&self) -> Option<Text> {
        let raw = self.of_kind(SettingKind::LimitGroup)?;
        json::string(raw.as_str()).map(|text| Text::from(text.as_ref()))
    }

    /// The part of the CRM's rate limit that may be used, 1 by default.
    #[must_use]
    pub fn limit_share(&self) -> f64 {
        self.of_kind(SettingKind::LimitShare).and_then(|raw| share(raw.as_str())).unwrap_or(1.0)
    }

    /// The rates to which the credential lowers the CRM's rate limit.
    #[must_use]
    pub fn call_rates(&self) -> CallRates {
        self.of_kind(SettingKind::CallRates).and_then(|raw| call_rates(raw.as_str())).unwrap_or_default()
    }

    fn of_kind(&self, kind: SettingKind) -> Option<&RawJson> {
        self.0.iter().find(|(spec, _)| spec.kind == kind).map(|(_, raw)| raw)
    }

    /// The setting as a flag, false by default.
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
            Self::CallRates => call_rates(raw).is_some(),
        };
        if ok { Ok(()) } else { Err(self.expectation()) }
    }

    fn expectation(self) -> String {
        match self {
            Self::BaseUrl => "Must be a URL such as https://crm.example.com.".to_owned(),
            Self::Region => "Must be a country code of two capital letters, such as US or CA.".to_owned(),
            Self::Flag => "Must be true or false.".to_owned(),
            Self::Word(words) => format!("Must be one of: {}.", words.join(", ")),
            Self::PathTemplate => {
                "Must start with `/` and contain `{id}` exactly once as a whole segment. Segments such as `..`, `.` or `..;` and the characters `%`, `?`, `#` and backslash are not allowed."
                    .to_owned()
            }
            Self::RemoteFields => "Must be an object of `remoteFields`.".to_owned(),
            Self::LimitGroup => "Must be a text of 1 to 100 characters that is not blank.".to_owned(),
            Self::LimitShare => "Must be a number above 0 and at most 1, such as 0.5.".to_owned(),
            Self::CallRates => {
                format!("Must be an object of `perMinute` and `perSecond`, whole numbers from 1 to {MOST_CALLS}.")
            }
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

fn call_rates(raw: &str) -> Option<CallRates> {
    let mut rates = CallRates::default();
    for (name, raw) in &json::members(raw)?.0 {
        let calls = raw.get().trim().parse().ok().filter(|calls| (1..=MOST_CALLS).contains(calls))?;
        match name.as_ref() {
            "perMinute" => rates.per_minute = Some(calls),
            "perSecond" => rates.per_second = Some(calls),
            _ => return None,
        }
    }
    Some(rates)
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
    match suggestion(&name, names.iter().copied()) {
        Some(meant) => format!("Unknown setting `{name}`. Did you mean `{meant}`?"),
        None => format!("Unknown setting `{name}`. Settings of this provider: {}.", names.join(", ")),
    }
}

/// A name as one token of an RFC 6901 pointer. A name longer than any that a CRM has is cut.
#[must_use]
pub fn pointer_token(name: &str) -> String {
    abbreviated(name).replace('~', "~0").replace('/', "~1")
}

/// The fields of a credential's secret. Has no `Debug`, so that values are not printed by accident.
pub struct CredentialSecret(BTreeMap<String, SecretString>);

impl CredentialSecret {
    /// Reads the JSON object `text` against `forms`.
    /// Fails with `validation_failed` at `/secret`. The failure contains no value of the secret.
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

    /// The value of one field; empty if the form has no such field.
    #[must_use]
    pub fn expose(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.expose_secret())
    }
}

fn refused(forms: &[SecretForm]) -> Failure {
    let forms: Vec<String> = forms.iter().map(|form| format!("{{{}}}", form.members.join(", "))).collect();
    let detail =
        format!("`secret` must be an object with exactly these non-empty strings: {}.", forms.join(" or "));
    Failure::validation(vec![FieldFault::member("/secret", "malformed", detail)])
}
