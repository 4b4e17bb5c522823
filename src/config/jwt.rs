//! The tables `[[auth.jwt]]` of the file: whose tokens are accepted, and which keys verify them.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::settings::{shown_key, unknown_key};
use super::small_file;
use crate::domain::string_enum;

const MEMBERS: [&str; 9] = [
    "issuer",
    "audience",
    "algorithms",
    "secret_file",
    "jwks_file",
    "jwks_url",
    "tenant_claim",
    "scope_claim",
    "max_lifetime_seconds",
];
const LONGEST: Duration = Duration::from_hours(24);
/// From a minute, which is the leeway for clocks, to a year.
const LIFETIMES: std::ops::RangeInclusive<u64> = 60..=366 * 24 * 60 * 60;
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
    /// The table and its file, for error messages.
    pub origin: String,
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

/// The issuers in the table `[auth]` of the file `shown`. Invalid ones are left out and added to `faults`.
pub(super) fn read(auth: toml::Value, shown: &str, faults: &mut Vec<String>) -> Vec<JwtIssuer> {
    let toml::Value::Table(mut auth) = auth else {
        faults.push(format!("{shown}: `auth` must be a table; issuers are written as [[auth.jwt]]"));
        return Vec::new();
    };
    let tables = auth.remove("jwt");
    for name in auth.keys() {
        let name = shown_key(name);
        faults.push(format!("{shown}: {name} is not a setting in `auth`; the only one is `auth.jwt`"));
    }
    let tables = match tables {
        None => return Vec::new(),
        Some(toml::Value::Array(tables)) => tables,
        Some(_) => {
            faults.push(format!("{shown}: `auth.jwt` must be written [[auth.jwt]], in two brackets"));
            return Vec::new();
        }
    };
    let mut issuers: Vec<JwtIssuer> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let origin = format!("[[auth.jwt]] number {} in {shown}", index + 1);
        let Some(issuer) = IssuerTable::of(table, &origin, faults).and_then(IssuerTable::issuer) else {
            continue;
        };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            faults.push(format!("{origin}: another table has the same `issuer`; keep one"));
        }
        issuers.push(issuer);
    }
    issuers
}

/// One table that is being read.
struct IssuerTable<'a> {
    members: toml::Table,
    origin: &'a str,
    faults: &'a mut Vec<String>,
}

impl<'a> IssuerTable<'a> {
    fn of(table: toml::Value, origin: &'a str, faults: &'a mut Vec<String>) -> Option<Self> {
        let toml::Value::Table(members) = table else {
            faults.push(format!("{origin} is not a table"));
            return None;
        };
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            faults.push(unknown_key(origin, name, &MEMBERS));
        }
        Some(Self { members, origin, faults })
    }

    fn issuer(mut self) -> Option<JwtIssuer> {
        let (issuer, audience) = (self.required("issuer"), self.required("audience"));
        let (tenant_claim, scope_claim) = (self.required("tenant_claim"), self.required("scope_claim"));
        let algorithms = self.algorithms();
        let max_lifetime = self.max_lifetime();
        let keys = self.keys(algorithms.as_deref().unwrap_or_default());
        Some(JwtIssuer {
            issuer: issuer?,
            audience: audience?,
            algorithms: algorithms?,
            keys: keys?,
            tenant_claim: tenant_claim?,
            scope_claim: scope_claim?,
            max_lifetime: max_lifetime?,
            origin: self.origin.to_owned(),
        })
    }

    fn fault<T>(&mut self, sentence: impl AsRef<str>) -> Option<T> {
        self.faults.push(format!("{}: {}", self.origin, sentence.as_ref()));
        None
    }

    /// The text of an optional setting. The outer `None` means a fault that was added.
    fn text(&mut self, name: &str) -> Option<Option<String>> {
        match self.members.remove(name) {
            None => Some(None),
            Some(toml::Value::String(text)) if text.trim().is_empty() => {
                self.fault(format!("`{name}` is empty; give it a value or remove it"))
            }
            Some(toml::Value::String(text)) => Some(Some(text)),
            Some(_) => self.fault(format!("`{name}` must be a string in quotes")),
        }
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        text.or_else(|| self.fault(format!("`{name}` is missing")))
    }

    fn algorithms(&mut self) -> Option<Vec<JwtAlgorithm>> {
        let words = match self.members.remove("algorithms") {
            None => return self.fault("`algorithms` is missing, such as [\"RS256\"]"),
            Some(toml::Value::Array(words)) if !words.is_empty() => words,
            Some(_) => return self.fault("`algorithms` must be a list, such as [\"RS256\"]"),
        };
        let mut algorithms = Vec::new();
        for word in &words {
            match word.as_str().map(JwtAlgorithm::parse) {
                Some(Some(algorithm)) if algorithms.contains(&algorithm) => {
                    return self.fault(format!("`algorithms` names {} twice", algorithm.as_str()));
                }
                Some(Some(algorithm)) => algorithms.push(algorithm),
                _ => return self.fault("`algorithms` may name HS256, RS256, ES256 and EdDSA, nothing else"),
            }
        }
        if algorithms.contains(&JwtAlgorithm::Hs256) && algorithms.len() > 1 {
            // Otherwise the public key of another algorithm could be used as the secret of HS256.
            return self
                .fault("HS256 cannot be combined with other algorithms: their keys are of another kind");
        }
        Some(algorithms)
    }

    fn max_lifetime(&mut self) -> Option<Duration> {
        let Some(given) = self.members.remove("max_lifetime_seconds") else { return Some(LONGEST) };
        let seconds = given.as_integer().and_then(|seconds| u64::try_from(seconds).ok());
        match seconds.filter(|seconds| LIFETIMES.contains(seconds)) {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => self.fault(format!(
                "`max_lifetime_seconds` must be a whole number from {} to {}",
                LIFETIMES.start(),
                LIFETIMES.end()
            )),
        }
    }

    /// Where the keys are. Empty `algorithms` mean that a fault was added already.
    fn keys(&mut self, algorithms: &[JwtAlgorithm]) -> Option<JwtKeys> {
        let sources = [self.text("secret_file")?, self.text("jwks_file")?, self.text("jwks_url")?];
        if sources.iter().flatten().count() > 1 {
            return self.fault("keep one of `secret_file`, `jwks_file` and `jwks_url`");
        }
        let by_secret = algorithms.contains(&JwtAlgorithm::Hs256);
        match sources {
            [Some(_), None, None] if !by_secret && !algorithms.is_empty() => self
                .fault("`secret_file` is for HS256; use `jwks_file` or `jwks_url` for the other algorithms"),
            [None, Some(_), None] | [None, None, Some(_)] if by_secret => {
                self.fault("HS256 needs `secret_file`; a key set is public, and a secret must not be")
            }
            [Some(path), None, None] => self.secret(&path),
            [None, Some(path), None] => match small_file::key_set(Path::new(&path)) {
                Ok(text) => Some(JwtKeys::Set(text)),
                Err(reason) => {
                    let path = small_file::named(Path::new(&path));
                    self.fault(format!("`jwks_file` names {path}, which cannot be read: {reason}"))
                }
            },
            [None, None, Some(url)] => Some(JwtKeys::Url(url)),
            _ => self.fault("no keys are given: set one of `secret_file`, `jwks_file` and `jwks_url`"),
        }
    }

    fn secret(&mut self, path: &str) -> Option<JwtKeys> {
        use secrecy::ExposeSecret;
        match small_file::secret(Path::new(path)) {
            Ok(secret) if secret.expose_secret().len() < SHORTEST_SECRET => self.fault(format!(
                "`secret_file` names {path}, whose secret is shorter than 32 characters; `openssl rand -hex 32` makes a suitable one"
            )),
            Ok(secret) => Some(JwtKeys::Secret(secret)),
            Err(fault) => self.fault(format!("`secret_file` {fault}")),
        }
    }
}
