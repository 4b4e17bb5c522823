//! The location of the database, read from its URL.

use std::fmt;
use std::path::PathBuf;

use super::PostgresUrl;

#[derive(Clone, Debug)]
pub enum Location {
    Sqlite(PathBuf),
    Postgres(Box<PostgresUrl>),
}

/// Why a database cannot be used: one sentence with the remedy, without the password of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct OpenError {
    sentence: String,
    #[source]
    cause: Option<DatabaseCause>,
}

/// What the database or the system said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct DatabaseCause(String);

impl OpenError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), cause: None }
    }

    /// With what the database or the system said, without what it repeats of a login.
    pub(super) fn with_cause(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(DatabaseCause(cause.into())), ..self }
    }
}

impl Location {
    /// Reads `sqlite://` with a relative or absolute path, or `postgres://` with host and database.
    /// Fails for every other URL.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return PostgresUrl::parse(url).map(|url| Self::Postgres(Box::new(url)));
        }
        let path = url.strip_prefix("sqlite:").ok_or_else(|| {
            OpenError::new(
                "the database URL must begin with sqlite:// or postgres://, such as sqlite://data/gateway.db",
            )
        })?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.split_once(':').is_some_and(|(_, rest)| rest.contains('@')) {
            return Err(OpenError::new(
                "sqlite:// must be followed by the path of a file; a URL with user and password begins with postgres://",
            ));
        }
        if path.is_empty() || path.starts_with(':') || path.contains(['?', '#', '\0']) || path.ends_with('/')
        {
            return Err(OpenError::new(
                "sqlite:// must be followed by the path of a file, without ? and #, such as sqlite://data/gateway.db; \
                 a database in memory would lose every credential",
            ));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Without user and password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => write!(f, "PostgreSQL, {url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_or_absolute() {
        for (url, path) in [
            ("sqlite://data/gateway.db", "data/gateway.db"),
            ("sqlite:///var/lib/gateway.db", "/var/lib/gateway.db"),
            ("sqlite:gateway.db", "gateway.db"),
        ] {
            let Ok(Location::Sqlite(read)) = Location::parse(url) else { panic!("{url}") };
            assert_eq!(read, PathBuf::from(path));
        }
    }

    #[test]
    fn other_urls_are_refused_without_showing_them() {
        for url in [
            "postgres://u:hunter2@h",
            "mysql://u:hunter2@h",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://x?mode=ro",
            "sqlite://u:hunter2@h/d",
            "x",
        ] {
            assert!(!Location::parse(url).unwrap_err().to_string().contains("hunter2"), "{url}");
        }
    }
}
