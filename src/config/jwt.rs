//! The tables `[[auth.jwt]]` of the file: whose tokens are accepted, and which keys verify them.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use toml::de::DeValue;

use super::fault::{ConfigFault, SettingOrigin};
use super::file_table::{FileKey, FileTable, whole};
use super::setting::{Setting, ValueKind, setting, unknown_key, whole_of};
use super::small_file;
use crate::domain::string_enum;

/// The keys of the tables.
pub const JWT_KEYS: [Setting; 9] = [
    setting(ValueKind::Text)
        .required()
        .example("https://login.example.com")
        .named("issuer", "The claim `iss` of its tokens, exactly."),
    setting(ValueKind::Text)
        .required()
        .example("contacts-gateway")
        .named("audience", "The claim `aud` must contain it."),
    setting(ValueKind::Words(&["RS256", "ES256", "EdDSA", "HS256"]))
        .required()
        .example("RS256")
        .named("algorithms", "The algorithms that are accepted; HS256 only alone."),
    setting(ValueKind::Path).named(
        "secret_file",
        "A file with the HS256 secret, at least 32 characters. Set exactly one of `secret_file`, `jwks_file` and `jwks_url`.",
    ),
    setting(ValueKind::Path).named("jwks_file", "A file with a JSON Web Key Set (JWKS)."),
    setting(ValueKind::Url)
        .example("https://login.example.com/jwks.json")
        .named("jwks_url", "The URL of a JSON Web Key Set (JWKS), fetched when needed."),
    setting(ValueKind::Text)
        .required()
        .example("tenant")
        .named("tenant_claim", "The claim with the tenant's id or name."),
    setting(ValueKind::Text)
        .required()
        .example("scope")
        .named("scope_claim", "The claim with the scopes, separated by spaces or as a list."),
    whole_of("seconds", 60, 366 * 24 * 60 * 60)
        .default("86400")
        .named("max_lifetime_seconds", "The maximum time from `iat` to `exp`."),
];
const LONGEST: Duration = Duration::from_hours(24);
/// As long as the digest. A shorter secret can be guessed offline from a single token.
const SHORTEST_SECRET: usize = 32;

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct JwtIssuer {
    /// The claim `iss` of its tokens, exactly.
    pub issuer: String,
    /// The claim `aud` must contain it.
    pub audience: String,
    /// The algorithms that are accepted.
    pub algorithms: Vec<JwtAlgorithm>,
    pub keys: JwtKeys,
    /// The claim with the tenant's id or name.
    pub tenant_claim: String,
    /// The claim with the scopes, separated by spaces or as a list.
    pub scope_claim: String,
    /// The maximum time from `iat` to `exp`.
    pub max_lifetime: Duration,
    /// Its table.
    pub origin: SettingOrigin,
}

string_enum! {
    /// How a token is signed, by the name in headers and in the configuration.
    pub enum JwtAlgorithm {
        /// HMAC with SHA-256, by a secret that both sides know.
        Hs256 = "HS256",
        /// RSA with PKCS #1 padding and SHA-256.
        Rs256 = "RS256",
        /// ECDSA over P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// The secret of HS256, from `secret_file`.
    Secret(SecretString),
    /// A key set, from `jwks_file`.
    Set(String),
    /// The URL of a key set.
    Url(String),
}

impl JwtIssuer {
    /// Whether the other one accepts the same tokens.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let Self { issuer, audience, algorithms, keys, tenant_claim, scope_claim, max_lifetime, origin: _ } =
            other;
        let is_same_key = match (&self.keys, keys) {
            (JwtKeys::Secret(one), JwtKeys::Secret(other)) => one.expose_secret() == other.expose_secret(),
            (JwtKeys::Set(one), JwtKeys::Set(other)) | (JwtKeys::Url(one), JwtKeys::Url(other)) => {
                one == other
            }
            _ => false,
        };
        is_same_key
            && (&self.issuer, &self.audience, &self.algorithms) == (issuer, audience, algorithms)
            && (&self.tenant_claim, &self.scope_claim) == (tenant_claim, scope_claim)
            && self.max_lifetime == *max_lifetime
    }

    /// The issuer on one line, without secrets.
    #[must_use]
    pub fn shown(&self) -> String {
        let words: Vec<&str> = self.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let keys = match &self.keys {
            JwtKeys::Secret(_) => "a secret",
            JwtKeys::Set(_) => "a key file",
            JwtKeys::Url(url) if url.contains('@') => "a URL that is not shown",
            JwtKeys::Url(url) => url,
        };
        format!("{} for {} ({}, by {keys})", self.issuer, self.audience, words.join(", "))
    }
}

/// The issuers in the key `auth` of `file`. Invalid ones are left out and added to `faults`.
pub(super) fn read(file: &FileTable<'_>, auth: FileKey<'_>, faults: &mut Vec<ConfigFault>) -> Vec<JwtIssuer> {
    let found = file.with_only(auth, "jwt", "issuers are written as [[auth.jwt]]", faults);
    let Some((auth, tables)) = found else { return Vec::new() };
    let line = tables.line;
    let Some(tables) = auth.each_inside(tables, "[[auth.jwt]]") else {
        faults.push(file.fault(line, "`auth.jwt` must be written [[auth.jwt]], in two brackets"));
        return Vec::new();
    };
    let mut issuers: Vec<JwtIssuer> = Vec::new();
    for table in tables {
        let origin = table.origin();
        let Some(issuer) = (IssuerTable { table, faults }).issuer() else { continue };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            faults.push(ConfigFault::new(&origin, "another table has the same `issuer`; keep one"));
        }
        issuers.push(issuer);
    }
    issuers
}

/// One table that is being read.
struct IssuerTable<'a, 't> {
    table: FileTable<'t>,
    faults: &'a mut Vec<ConfigFault>,
}

/// The text of a key and its line.
type LineText = (usize, String);

impl IssuerTable<'_, '_> {
    fn issuer(mut self) -> Option<JwtIssuer> {
        let (issuer, audience) = (self.required("issuer"), self.required("audience"));
        let (tenant_claim, scope_claim) = (self.required("tenant_claim"), self.required("scope_claim"));
        let algorithms = self.algorithms();
        let max_lifetime = self.max_lifetime();
        let keys = self.keys(algorithms.as_deref().unwrap_or_default());
        for key in self.table.rest() {
            let known = JWT_KEYS.iter().map(|setting| setting.key.into());
            self.faults.push(self.table.fault(key.line, unknown_key(&key.name, known)));
        }
        Some(JwtIssuer {
            issuer: issuer?,
            audience: audience?,
            algorithms: algorithms?,
            keys: keys?,
            tenant_claim: tenant_claim?,
            scope_claim: scope_claim?,
            max_lifetime: max_lifetime?,
            origin: self.table.origin(),
        })
    }

    /// A fault at one of the table's lines.
    fn fault<T>(&mut self, line: usize, text: impl Into<String>) -> Option<T> {
        self.faults.push(self.table.fault(line, text));
        None
    }

    /// A fault of the table as a whole.
    fn lacks<T>(&mut self, text: impl Into<String>) -> Option<T> {
        self.faults.push(ConfigFault::new(&self.table.origin(), text));
        None
    }

    /// The text of an optional setting. The outer `None` means a fault that was added.
    fn text(&mut self, name: &str) -> Option<Option<LineText>> {
        match self.table.take(name) {
            None => Some(None),
            Some(FileKey { value: DeValue::String(text), line, .. }) if text.trim().is_empty() => {
                self.fault(line, format!("`{name}` is empty; give it a value or remove it"))
            }
            Some(FileKey { value: DeValue::String(text), line, .. }) => Some(Some((line, text.into_owned()))),
            Some(FileKey { line, .. }) => self.fault(line, format!("`{name}` must be a string in quotes")),
        }
    }

    fn required(&mut self, name: &str) -> Option<String> {
        match self.text(name)? {
            Some((_, text)) => Some(text),
            None => self.lacks(format!("`{name}` is missing")),
        }
    }

    fn algorithms(&mut self) -> Option<Vec<JwtAlgorithm>> {
        let Some(FileKey { line, value, .. }) = self.table.take("algorithms") else {
            return self.lacks("`algorithms` is missing, such as [\"RS256\"]");
        };
        let words = match value {
            DeValue::Array(words) if !words.is_empty() => words,
            _ => return self.fault(line, "`algorithms` must be a list, such as [\"RS256\"]"),
        };
        let mut algorithms = Vec::new();
        for word in &words {
            match word.get_ref().as_str().map(JwtAlgorithm::parse) {
                Some(Some(algorithm)) if algorithms.contains(&algorithm) => {
                    return self.fault(line, format!("`algorithms` names {} twice", algorithm.as_str()));
                }
                Some(Some(algorithm)) => algorithms.push(algorithm),
                _ => {
                    let text = "`algorithms` may name HS256, RS256, ES256 and EdDSA, nothing else";
                    return self.fault(line, text);
                }
            }
        }
        if algorithms.contains(&JwtAlgorithm::Hs256) && algorithms.len() > 1 {
            // Otherwise the public key of another algorithm could be used as the secret of HS256.
            let text = "HS256 cannot be combined with other algorithms: their keys are of another kind";
            return self.fault(line, text);
        }
        Some(algorithms)
    }

    fn max_lifetime(&mut self) -> Option<Duration> {
        const NAME: &str = "max_lifetime_seconds";
        let Some(FileKey { line, value, .. }) = self.table.take(NAME) else { return Some(LONGEST) };
        let setting = JWT_KEYS.iter().find(|setting| setting.key == NAME)?;
        let seconds = if let DeValue::Integer(number) = &value { whole(number) } else { None };
        match seconds.filter(|text| setting.check(text).is_ok()).and_then(|text| text.parse().ok()) {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => self.fault(line, format!("`{NAME}` {}", setting.wrong_kind())),
        }
    }

    /// Where the keys are. Empty `algorithms` mean that a fault was added already.
    fn keys(&mut self, algorithms: &[JwtAlgorithm]) -> Option<JwtKeys> {
        let sources = [self.text("secret_file"), self.text("jwks_file"), self.text("jwks_url")];
        let [secret, set, url] = sources;
        let sources = [secret?, set?, url?];
        if sources.iter().flatten().count() > 1 {
            return self.lacks("keep one of `secret_file`, `jwks_file` and `jwks_url`");
        }
        let by_secret = algorithms.contains(&JwtAlgorithm::Hs256);
        match sources {
            [Some((line, _)), None, None] if !by_secret && !algorithms.is_empty() => self.fault(
                line,
                "`secret_file` is for HS256; use `jwks_file` or `jwks_url` for the other algorithms",
            ),
            [None, Some((line, _)), None] | [None, None, Some((line, _))] if by_secret => {
                self.fault(line, "HS256 needs `secret_file`; a key set is public, and a secret must not be")
            }
            [Some((line, path)), None, None] => self.secret(line, &path),
            [None, Some((line, path)), None] => match small_file::key_set(Path::new(&path)) {
                Ok(text) => Some(JwtKeys::Set(text)),
                Err(reason) => {
                    let path = small_file::named(Path::new(&path));
                    self.fault(line, format!("`jwks_file` names {path}, which cannot be read: {reason}"))
                }
            },
            [None, None, Some((_, url))] => Some(JwtKeys::Url(url)),
            _ => self.lacks("no keys are given: set one of `secret_file`, `jwks_file` and `jwks_url`"),
        }
    }

    fn secret(&mut self, line: usize, path: &str) -> Option<JwtKeys> {
        match small_file::secret(Path::new(path)) {
            Ok(secret) if secret.expose_secret().len() < SHORTEST_SECRET => self.fault(line, format!(
                "`secret_file` names {path}, whose secret is shorter than 32 characters; `openssl rand -hex 32` makes a suitable one"
            )),
            Ok(secret) => Some(JwtKeys::Secret(secret)),
            Err(fault) => self.fault(line, format!("`secret_file` {fault}")),
        }
    }
}
