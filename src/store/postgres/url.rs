//! The URL of a PostgreSQL database, with a password that is never shown.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::store::OpenError;

/// The known query parameters.
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

/// The location of a PostgreSQL database and the login.
#[derive(Clone)]
pub struct PostgresUrl {
    options: PgConnectOptions,
    shown: String,
}

impl PostgresUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`.
    /// Fails with a sentence that contains neither the URL nor a value of it.
    pub(in crate::store) fn parse(text: &str) -> Result<Self, OpenError> {
        let (authority, behind) = parts(text);
        let url = ::url::Url::parse(text).ok().filter(|url| !is_misread(url, behind)).ok_or_else(|| {
            OpenError::new(
                "not a valid PostgreSQL URL such as postgres://user:password@host:5432/database; percent-encode the \
                 password: every character that is no letter or digit, such as %40 for @ and %2F for /",
            )
        })?;
        let known = |name: &str| PARAMETERS.contains(&name) || is_option(name);
        if !url.query_pairs().all(|(name, _)| known(&name)) {
            return Err(OpenError::new(format!(
                "the PostgreSQL URL has a parameter that is not known; known are {}. Where no parameter was meant, \
                 percent-encode the password: ? is %3F, & is %26",
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
        // PgBouncer refuses this setting in the startup packet, and no column here is a floating-point number.
        let options = options.extra_float_digits(None);
        // Without an `@`, the apparent host, port and database may be user and password.
        let shown = authority.contains('@').then(|| place(&options));
        let shown = shown.unwrap_or_else(|| "in GATEWAY_DATABASE_URL".to_owned());
        Ok(Self { options, shown })
    }

    pub(in crate::store) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

/// The authority of a URL (user, password, host, port), and the rest.
fn parts(text: &str) -> (&str, &str) {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// Whether a part of the password seems to be in another part of the URL. Text before an `@` was meant as the password, `#`
/// cuts off the rest, and no host or database name contains such characters.
fn is_misread(url: &::url::Url, behind: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_socket = |host: &str| host.get(..3).is_some_and(|first| first.eq_ignore_ascii_case("%2f"));
    behind.contains(['@', '#'])
        || url.path().trim_matches('/').contains('/')
        || url.host_str().is_some_and(|host| !is_socket(host) && !host.bytes().all(plain))
}

/// Whether `name` is `options[…]`, which sets a parameter of the session.
fn is_option(name: &str) -> bool {
    name.strip_prefix("options[").is_some_and(|rest| rest.ends_with(']'))
}

fn place(options: &PgConnectOptions) -> String {
    let socket = options.get_socket().map(|path| path.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    format!("{} at {host}:{}", options.get_database().unwrap_or_default(), options.get_port())
}

/// The database name, host and port, without user and password.
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
    fn a_url_without_a_user_is_not_shown() {
        let url = PostgresUrl::parse("postgres://me:1/hunter2").unwrap();
        assert_eq!(url.to_string(), "in GATEWAY_DATABASE_URL");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for (url, says) in [
            ("postgres://me:hunter2@h:x/d", "not a valid PostgreSQL URL"),
            ("postgres://me:hunter2@h", "host and a database"),
            ("postgres:///d", "host and a database"),
            ("postgres://me:hunter2@h/d?sslmod=hunter2", "a parameter that is not known; known are sslmode"),
            ("postgres://me:1?hunter2@h/d", "percent-encode the password"),
            ("postgres://me:/hunter2@h/d", "percent-encode the password"),
            ("postgres://me:1#hunter2@h/d", "percent-encode the password"),
            ("postgres://me:x@h/d#hunter2", "percent-encode the password"),
            ("postgres://me:x@y/hunter2%40h/d", "percent-encode the password"),
            ("postgres://me:x@hunter2%40h/d", "percent-encode the password"),
            ("postgres://me:x@h/d?options[hunter2", "a parameter that is not known"),
            ("postgres://me:hunter2@h/d?sslmode=hunter2", "verify-full"),
        ] {
            let said = PostgresUrl::parse(url).unwrap_err().to_string();
            assert!(said.contains(says) && !said.contains("hunter2"), "{url}: {said}");
        }
    }
}
