//! The table of settings. Parsing, suggestions for misspelled names, `check-config` and the README use it.

use crate::domain::nearest;

#[derive(Debug)]
pub struct Setting {
    /// The name in the file.
    pub key: &'static str,
    pub variable: &'static str,
    /// How much of the value may be shown, and whether it may have a file of its own.
    pub exposure: Sensitivity,
    pub doc: &'static str,
    /// The value if none is given.
    pub default: Option<&'static str>,
}

/// How much of a setting's value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    Open,
    /// Nothing; `…_FILE` and `…_file` name a file that contains it.
    Secret,
    /// Nothing; a file of its own contains one per line.
    Secrets,
    /// The parts without a password; `…_FILE` and `…_file` as well.
    Url,
}

const fn setting(
    key: &'static str,
    variable: &'static str,
    exposure: Sensitivity,
    default: Option<&'static str>,
    doc: &'static str,
) -> Setting {
    Setting { key, variable, exposure, doc, default }
}

pub const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        "GATEWAY_LISTEN",
        Sensitivity::Open,
        Some("127.0.0.1:8080"),
        "Address and port of the API.",
    ),
    setting(
        "ops_listen",
        "GATEWAY_OPS_LISTEN",
        Sensitivity::Open,
        None,
        "Address and port of a second listener for `/livez`, `/readyz`, `/metrics`, `/ops` and the documentation, with its own \
         connections; none by default. With it, the API's listener does not serve `/metrics` and `/ops`.",
    ),
    setting(
        "database_url",
        "GATEWAY_DATABASE_URL",
        Sensitivity::Url,
        Some("sqlite://data/gateway.db"),
        "`sqlite://` and the path of the database file, or `postgres://user:password@host:5432/database`, with \
         `?sslmode=verify-full` if it is reached over a network.",
    ),
    setting(
        "master_key",
        "GATEWAY_MASTER_KEY",
        Sensitivity::Secret,
        None,
        "32 bytes in base64 that seal the secrets of credentials; `contacts-gateway master-key generate` makes one.",
    ),
    setting(
        "previous_master_keys",
        "GATEWAY_PREVIOUS_MASTER_KEYS",
        Sensitivity::Secrets,
        None,
        "Previous master keys, comma-separated, or one per line in the file: they open old secrets and seal nothing.",
    ),
    setting(
        "admin_token",
        "GATEWAY_ADMIN_TOKEN",
        Sensitivity::Secret,
        None,
        "The operator's token for `/admin` and `/ops`, at least 16 characters; without it `/admin` does not exist.",
    ),
    setting(
        "upstream_allow",
        "GATEWAY_UPSTREAM_ALLOW",
        Sensitivity::Open,
        Some(""),
        "Private hosts, `host:port`, addresses and networks, comma-separated, that base URLs of credentials may \
         reach.",
    ),
    setting(
        "audit_retention_days",
        "GATEWAY_AUDIT_RETENTION_DAYS",
        Sensitivity::Open,
        Some("365"),
        "How many days audit records are kept; 0 is forever.",
    ),
    setting(
        "log",
        "GATEWAY_LOG",
        Sensitivity::Open,
        Some("info"),
        "`off`, `error`, `warn`, `info`, `debug` or `trace`.",
    ),
    setting(
        "log_format",
        "GATEWAY_LOG_FORMAT",
        Sensitivity::Open,
        Some("auto"),
        "`text`, `json`, or `auto`: text on a terminal, otherwise JSON.",
    ),
    setting(
        "log_success",
        "GATEWAY_LOG_SUCCESS",
        Sensitivity::Open,
        Some("all"),
        "Which successful requests are logged: `all`, `sampled` (one of 100) or `off`. Failures always are.",
    ),
    setting(
        "trusted_proxies",
        "GATEWAY_TRUSTED_PROXIES",
        Sensitivity::Open,
        Some(""),
        "Addresses and networks of proxies, comma-separated, whose `X-Forwarded-For` names the client in the log.",
    ),
    setting(
        "key_rate",
        "GATEWAY_KEY_RATE",
        Sensitivity::Open,
        Some("50"),
        "Requests per second of one API key; 0 is unlimited.",
    ),
    setting(
        "key_burst",
        "GATEWAY_KEY_BURST",
        Sensitivity::Open,
        Some("100"),
        "Requests that a key may send in a burst after a pause.",
    ),
    setting(
        "tenant_in_flight",
        "GATEWAY_TENANT_IN_FLIGHT",
        Sensitivity::Open,
        Some("64"),
        "Concurrent requests of one tenant; 0 is unlimited.",
    ),
    setting(
        "credential_in_flight",
        "GATEWAY_CREDENTIAL_IN_FLIGHT",
        Sensitivity::Open,
        Some("16"),
        "Concurrent requests on one credential; 0 is unlimited.",
    ),
    setting(
        "credential_waiting",
        "GATEWAY_CREDENTIAL_WAITING",
        Sensitivity::Open,
        Some("32"),
        "Requests on one credential that may wait, for at most 250 ms.",
    ),
    setting(
        "in_flight",
        "GATEWAY_IN_FLIGHT",
        Sensitivity::Open,
        Some("512"),
        "Concurrent requests of the whole process; 0 is unlimited.",
    ),
    setting(
        "tenant_ledger_rows",
        "GATEWAY_TENANT_LEDGER_ROWS",
        Sensitivity::Open,
        Some("1000000"),
        "Stored writes under an `Idempotency-Key` of one tenant; 0 is unlimited.",
    ),
    setting(
        "tenant_ledger_bytes",
        "GATEWAY_TENANT_LEDGER_BYTES",
        Sensitivity::Open,
        Some("1073741824"),
        "Bytes of these writes; a write in progress counts as 64 KiB and its request; 0 is unlimited.",
    ),
    setting(
        "tenant_credentials",
        "GATEWAY_TENANT_CREDENTIALS",
        Sensitivity::Open,
        Some("1000"),
        "Credentials of one tenant; 0 is unlimited.",
    ),
    setting(
        "tenant_api_keys",
        "GATEWAY_TENANT_API_KEYS",
        Sensitivity::Open,
        Some("1000"),
        "API keys of one tenant; 0 is unlimited.",
    ),
    setting(
        "tenant_audit_records",
        "GATEWAY_TENANT_AUDIT_RECORDS",
        Sensitivity::Open,
        Some("10000000"),
        "Audit records of one tenant; beyond the limit the oldest are erased early; 0 is unlimited.",
    ),
    setting(
        "tenant_in_flight_mib",
        "GATEWAY_TENANT_IN_FLIGHT_MIB",
        Sensitivity::Open,
        Some("64"),
        "MiB of CRM replies and of responses of one tenant in memory, half for each; those up to 256 KiB do not \
         count. From 16.",
    ),
    setting(
        "in_flight_mib",
        "GATEWAY_IN_FLIGHT_MIB",
        Sensitivity::Open,
        Some("256"),
        "The same for the whole process.",
    ),
    setting(
        "settle_ms",
        "GATEWAY_SETTLE_MS",
        Sensitivity::Open,
        Some("5000"),
        "Milliseconds between the two lookups that prove a lost create absent.",
    ),
    setting(
        "lease_ms",
        "GATEWAY_LEASE_MS",
        Sensitivity::Open,
        Some("30000"),
        "Milliseconds without renewal after which another process may take over a write under an \
         `Idempotency-Key`; the same for all processes on one database.",
    ),
];

impl Setting {
    /// Whether it is a whole number, which needs no quotes in the file.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.default.is_some_and(|text| text.parse::<u64>().is_ok())
    }

    /// Whether it may have a file of its own.
    #[must_use]
    pub fn from_file(&self) -> bool {
        self.exposure != Sensitivity::Open
    }
}

/// The fault of a key in a table whose keys are `known`.
pub(super) fn unknown_key(origin: &str, name: &str, known: &[&str]) -> String {
    let shown = shown_key(name);
    let near = nearest(name, known.iter().copied()).map_or_else(
        || format!("the settings are {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("{origin}: {shown} is not a setting; {near}")
}

/// A key of the file as it may be shown. A key that needs quotes is not shown, because it may be a secret.
pub(super) fn shown_key(name: &str) -> String {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { format!("`{name}`") } else { "a key in quotes".to_owned() }
}
