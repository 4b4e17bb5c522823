//! Every setting, declared once. A field's comment is the text for operators.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tracing::level_filters::LevelFilter;

use super::setting::{Setting, SettingSection, ValueKind, setting, settings, whole, whole_of, whole_or};
use super::values::{AdminToken, CollectorHeaders, CollectorUrl};
use super::{CorsOrigins, LogFormat, LoggedSuccesses, PublicUrl, TlsFiles, TrustedProxies};

/// 0 in a limit.
const UNLIMITED: &str = "unlimited";
const MOST: u64 = 1_000_000;
const QUOTA_MOST: u64 = 1 << 50;

/// All sections, in the order of the documents.
pub const SECTIONS: [SettingSection; 6] = [
    ServerSettings::SECTION,
    StorageSettings::SECTION,
    LogSettings::SECTION,
    TraceSettings::SECTION,
    Limits::SECTION,
    Quotas::SECTION,
];

/// All settings.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    const ALL: &[SettingSection] = &SECTIONS;
    ALL.iter().flat_map(|section| section.settings)
}

settings! {
    /// How the gateway is reached.
    #[derive(Clone, Debug)]
    pub struct ServerSettings in "Server" {
        /// Address and port of the API.
        listen: SocketAddr = setting(ValueKind::Address).default("127.0.0.1:8080").flag("ADDRESS:PORT"),
        /// Address and port of a second listener for `/livez`, `/readyz`, `/metrics`, `/ops` and the documentation, with its own
        /// connections; none by default. With it, the API's listener does not serve `/metrics` and `/ops`.
        ops_listen: Option<SocketAddr> = setting(ValueKind::Address).example("127.0.0.1:9090"),
        /// The `http` or `https` URL at which callers reach the gateway, with a path prefix if a proxy adds one. With it,
        /// `Location`, `Link`, the `type` of problems and the server in `/openapi.json` are URLs; without it they are paths.
        public_url: Option<PublicUrl> = setting(ValueKind::Url).example("https://api.example.com/contacts"),
        /// A file with the TLS certificate of the API's listener and its chain, in PEM; with it, the listener speaks HTTPS only. It is
        /// reloaded when it changes.
        tls_certificate: Option<PathBuf> = setting(ValueKind::Path).example("/etc/contacts-gateway/tls.crt"),
        /// A file with the private key of the TLS certificate, in PEM. It is reloaded when it changes.
        tls_key: Option<PathBuf> = setting(ValueKind::Path).example("/etc/contacts-gateway/tls.key"),
        /// Origins, comma-separated, whose browser apps may call the API of tenants (CORS); `/admin`, `/ops` and `/metrics` are never
        /// shared.
        cors_origins: CorsOrigins = setting(ValueKind::Origins).default("").example("https://app.example.com"),
        /// Addresses and networks of proxies, comma-separated, whose `X-Forwarded-For` names the client in the log.
        trusted_proxies: TrustedProxies =
            setting(ValueKind::List).default("").example("10.0.0.7, 10.1.0.0/16").reloaded(),
    }
}

impl ServerSettings {
    /// The files of the certificate, if both are given.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
    }
}

settings! {
    /// What is stored, and who may reach it.
    #[derive(Clone, Debug)]
    pub struct StorageSettings in "Database, keys and CRMs" {
        /// The database: `sqlite://` and the path of its file, or `postgres://user:password@host:5432/database`, with
        /// `?sslmode=verify-full` if it is reached over a network.
        database_url: SecretString =
            setting(ValueKind::Database).default("sqlite://data/gateway.db").flag("URL"),
        /// Required: 32 bytes in base64 that seal the secrets of credentials; `contacts-gateway master-key generate` makes one.
        master_key: Option<SecretString> =
            setting(ValueKind::Secret).example("/etc/contacts-gateway/master.key"),
        /// Previous master keys, comma-separated, or one per line in the file: they open old secrets and seal nothing.
        previous_master_keys: Vec<SecretString> =
            setting(ValueKind::Secrets).example("/etc/contacts-gateway/previous.keys"),
        /// The operator's token for `/admin` and `/ops`, at least 16 characters; without it `/admin` does not exist.
        admin_token: Option<AdminToken> =
            setting(ValueKind::Secret).example("/etc/contacts-gateway/admin.token"),
        /// Private hosts, `host:port`, addresses and networks, comma-separated, that base URLs of credentials may reach.
        upstream_allow: String =
            setting(ValueKind::List).default("").example("crm.internal, 10.2.0.0/16").flag("LIST"),
        /// How many days audit records are kept; 0 is forever.
        audit_retention_days: Option<u32> = whole_or("forever", 36_500).default("365"),
    }
}

settings! {
    /// What is logged.
    #[derive(Clone, Debug)]
    pub struct LogSettings in "Log" {
        /// The log level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
        log: LevelFilter = setting(ValueKind::Word(&["off", "error", "warn", "info", "debug", "trace"]))
            .default("info").flag("LEVEL").reloaded(),
        /// The format of the log: `text`, `json`, or `auto`: text on a terminal, otherwise JSON.
        log_format: LogFormat = setting(ValueKind::Word(&["auto", "text", "json"])).default("auto").flag("FORMAT"),
        /// Which successful requests are logged: `all`, `sampled` (one of 100) or `off`. Failures always are.
        log_success: LoggedSuccesses =
            setting(ValueKind::Word(&["all", "sampled", "off"])).default("all").reloaded(),
    }
}

settings! {
    /// Where traces go.
    #[derive(Clone, Debug)]
    pub struct TraceSettings in "Traces" {
        /// The base URL of a collector that takes OTLP over HTTP; spans are posted to `v1/traces` below it. Without it there are no
        /// traces.
        endpoint as "otlp_endpoint": Option<CollectorUrl> =
            setting(ValueKind::Url).example("http://127.0.0.1:4318"),
        /// Headers of requests to the collector, as `name=value`, comma-separated.
        headers as "otlp_headers": CollectorHeaders =
            setting(ValueKind::Secret).example("/etc/contacts-gateway/otlp.headers"),
        /// Percentage of traces sampled when the caller sends no `traceparent`. Otherwise the caller's sampled flag decides.
        percent as "trace_percent": u32 = whole_of("percent", 0, 100).default("100"),
    }
}

settings! {
    /// The limits of requests, and the times of dependable writes. `None` is unlimited.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits in "Limits" {
        /// Requests per second of one API key or token subject; 0 is unlimited.
        key_rate: Option<u32> = whole_or(UNLIMITED, MOST).default("50").reloaded(),
        /// Requests that a key may send in a burst after a pause.
        key_burst: u32 = whole(1, MOST).default("100").reloaded(),
        /// Concurrent requests of one tenant; 0 is unlimited.
        tenant_in_flight: Option<u32> = whole_or(UNLIMITED, MOST).default("64"),
        /// Concurrent requests on one credential; 0 is unlimited.
        credential_in_flight: Option<u32> = whole_or(UNLIMITED, MOST).default("16"),
        /// Requests on one credential that may wait, for at most 250 ms.
        credential_waiting: u32 = whole(0, MOST).default("32"),
        /// Concurrent requests of the whole process; 0 is unlimited.
        in_flight: Option<u32> = whole_or(UNLIMITED, MOST).default("512"),
        /// Memory of one tenant in MiB: half for CRM replies, half for responses. Those up to 256 KiB do not count. Half of it must
        /// hold the largest response.
        tenant_in_flight_mib: u32 = whole_of("MiB", 16, MOST).default("64"),
        /// The same for the whole process.
        in_flight_mib: u32 = whole_of("MiB", 16, MOST).default("256"),
        /// Milliseconds between the two lookups that prove a lost create absent.
        settle as "settle_ms": Duration = whole_of("milliseconds", 1, 60_000).default("5000"),
        /// Milliseconds without renewal after which another process may take over a write under an `Idempotency-Key`; the same for
        /// all processes on one database.
        lease as "lease_ms": Duration = whole_of("milliseconds", 1_000, 300_000).default("30000"),
    }
}

settings! {
    /// How much one tenant may store. `None` is unlimited.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quotas in "Quotas of one tenant" {
        /// Stored writes under an `Idempotency-Key`; 0 is unlimited.
        ledger_rows as "tenant_ledger_rows": Option<u64> = whole_or(UNLIMITED, QUOTA_MOST).default("1000000"),
        /// Bytes of these writes; a write in progress counts as 64 KiB and its request; 0 is unlimited.
        ledger_bytes as "tenant_ledger_bytes": Option<u64> = whole_or(UNLIMITED, QUOTA_MOST).default("1073741824"),
        /// Credentials; 0 is unlimited.
        credentials as "tenant_credentials": Option<u64> = whole_or(UNLIMITED, QUOTA_MOST).default("1000"),
        /// API keys; 0 is unlimited.
        api_keys as "tenant_api_keys": Option<u64> = whole_or(UNLIMITED, QUOTA_MOST).default("1000"),
        /// Audit records; beyond the limit the oldest are erased early; 0 is unlimited.
        audit_records as "tenant_audit_records": Option<u64> = whole_or(UNLIMITED, QUOTA_MOST).default("10000000"),
    }
}
