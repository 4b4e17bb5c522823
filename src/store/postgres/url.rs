//! The URL of a PostgreSQL database, with a password that is never shown.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::store::OpenError;

/// What a URL may say behind `?`.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "statement-cache-capacity",
];

/// Where a PostgreSQL database is, and how to log in to it.
#[derive(Clone)]
pub struct PostgresUrl {
    options: PgConnectOptions,
    shown: String,
}

impl PostgresUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`.
    /// Fails with a sentence that repeats neither the URL nor a value in it.
    pub(in crate::store) fn parse(text: &str) -> Result<Self, OpenError> {
        let url = ::url::Url::parse(text).map_err(|_| {
            OpenError::new(
                "this is no PostgreSQL URL; write postgres://user:password@host:5432/database, with what is no letter \
                 or digit in the password percent-encoded",
            )
        })?;
        if let Some((name, _)) = url
            .query_pairs()
            .find(|(name, _)| !PARAMETERS.contains(&name.as_ref()) && !name.starts_with("options["))
        {
            return Err(OpenError::new(format!(
                "the PostgreSQL URL has the parameter {name}, which is not known; known are {}",
                PARAMETERS.join(", ")
            )));
        }
        let says = |name: &str| url.query_pairs().any(|(key, _)| key == name);
        let host = url.host_str().is_some_and(|host| !host.is_empty()) || says("host");
        let database = !url.path().trim_matches('/').is_empty() || says("dbname");
        if !host || !database {
            return Err(OpenError::new(
                "the PostgreSQL URL must name a host and a database, such as postgres://user:password@host:5432/database",
            ));
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| {
            OpenError::new(
                "the PostgreSQL URL cannot be read: check the port, the percent-encoding and sslmode (disable, allow, \
                 prefer, require, verify-ca, verify-full)",
            )
        })?;
        let shown = format!(
            "{} at {}:{}",
            options.get_database().unwrap_or_default(),
            options
                .get_socket()
                .map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string()),
            options.get_port()
        );
        Ok(Self { options, shown })
    }

    pub(in crate::store) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

/// The name of the database and its place, without user and password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_password() {
        let url =
            PostgresUrl::parse("postgres://me:hunter2@db.example.com:5433/gate?sslmode=require").unwrap();
        assert_eq!(url.to_string(), "gate at db.example.com:5433");
        assert!(!format!("{url:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for (url, says) in [
            ("postgres://me:hunter2@h:x/d", "no PostgreSQL URL"),
            ("postgres://me:hunter2@h", "host and a database"),
            ("postgres:///d", "host and a database"),
            ("postgres://me:hunter2@h/d?sslmod=hunter2", "parameter sslmod"),
            ("postgres://me:hunter2@h/d?sslmode=hunter2", "verify-full"),
        ] {
            let said = PostgresUrl::parse(url).unwrap_err().to_string();
            assert!(said.contains(says) && !said.contains("hunter2"), "{url}: {said}");
        }
    }
}
