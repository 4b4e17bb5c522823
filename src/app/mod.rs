//! The composition root: joins configuration, store, sealing, adapters, gateway and HTTP edge.

mod demo;
#[cfg(test)]
mod interleavings;
mod measure;
mod reload;
mod serve;
mod server;
mod simulate;
mod start;
mod traces;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use self::server::{CertificateExpiry, Tls};
use crate::adapters::ADAPTERS;
use crate::auth::{Authenticator, Issuers};
use crate::config::{
    AdminToken, Config, ConfigError, ConfigFault, Flags, InspectedConfig, Limits, ProviderLimits,
    ServerSettings, SettingOrigin, StorageSettings, UpstreamLimits, environment,
};
use crate::domain::suggestion;
use crate::gateway::credentials::CredentialResolver;
use crate::gateway::{
    ApiKeys, Audit, Contacts, Credentials, Gateway, Ledger, Rotation, SharedLocks, Tenants,
};
use crate::sealing::{HOW_TO_MAKE_A_KEY, MasterKey, Sealer};
use crate::store::{Location, Store};
use crate::upstream::{AllowList, BaseUrlGuard, Transport};
pub use demo::demo;
pub use serve::{serve, stopped};
pub use simulate::{SIMULATED, Simulated};
pub use start::check_live;

/// The components behind the HTTP edge and the commands.
pub struct Components {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub authenticator: Arc<Authenticator>,
    pub gateway: Gateway,
}

/// The limits that the operator sets.
pub struct OperatorLimits {
    pub process: Limits,
    pub upstream: UpstreamLimits,
}

impl From<Limits> for OperatorLimits {
    fn from(process: Limits) -> Self {
        Self { process, upstream: UpstreamLimits::default() }
    }
}

/// The settings that other modules parse.
struct CheckedConfig {
    master_key: MasterKey,
    previous: Vec<MasterKey>,
    allowed: AllowList,
    location: Location,
    issuers: Issuers,
}

/// The configuration of a server, with everything that is wrong with it.
pub struct InspectedServer {
    pub config: Config,
    checked: Result<CheckedConfig, ConfigError>,
    tls: Option<Tls>,
}

/// The configuration of a server without faults.
pub struct ValidServer {
    pub config: Config,
    checked: CheckedConfig,
    tls: Option<Tls>,
}

impl InspectedServer {
    /// The configuration, if nothing is wrong with it.
    pub fn valid(self) -> Result<ValidServer, ConfigError> {
        let Self { config, checked, tls } = self;
        Ok(ValidServer { config, checked: checked?, tls })
    }

    /// Settings that are valid but unwise.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let files = self.config.server.tls();
        let readable = files.and_then(|files| files.warning());
        self.config.warnings.iter().cloned().chain(readable).collect()
    }

    #[must_use]
    pub fn certificate_expiry(&self) -> Option<CertificateExpiry> {
        self.tls.as_ref()?.expiry()
    }
}

/// Reads the configuration of a server.
#[must_use]
pub fn inspect(flags: &Flags) -> InspectedServer {
    let InspectedConfig { config, mut faults, is_partial } = Config::inspect(flags, environment());
    let (mut more, checked, tls) = check(&config);
    // A setting that could not be read is not missing.
    more.retain(|fault| match &fault.origin {
        SettingOrigin::Nowhere(variable) => {
            !is_partial && !faults.iter().any(|fault| fault.origin.concerns(variable))
        }
        _ => true,
    });
    faults.append(&mut more);
    faults.sort();
    let checked = match checked {
        Some(checked) if faults.is_empty() => Ok(checked),
        _ => Err(ConfigError(faults)),
    };
    InspectedServer { config, checked, tls }
}

/// Parses what belongs to other modules, and collects the faults: master keys, allow-list, database URL, issuers' keys, providers, certificate.
fn check(config: &Config) -> (Vec<ConfigFault>, Option<CheckedConfig>, Option<Tls>) {
    let (mut faults, checked) = match checked(config) {
        Ok(checked) => (Vec::new(), Some(checked)),
        Err(faults) => (faults, None),
    };
    let mut fault = |key: &str, text: &str| faults.push(ConfigFault::new(&config.origin(key), text));
    let ServerSettings { listen, ops_listen, .. } = &config.server;
    if let Some(ops) = ops_listen.filter(|ops| is_same_socket(*listen, *ops)) {
        fault("ops_listen", &format!("{ops} overlaps `listen` ({listen}); choose another port"));
    }
    let tls = match (config.server.tls(), &config.server.tls_certificate, &config.server.tls_key) {
        (Some(files), ..) => Tls::new(files).map_err(|reason| fault("tls_certificate", &reason)).ok(),
        (None, Some(_), _) => {
            fault("tls_certificate", "needs `tls_key` too");
            None
        }
        (None, _, Some(_)) => {
            fault("tls_key", "needs `tls_certificate` too");
            None
        }
        (None, None, None) => None,
    };
    (faults, checked, tls)
}

/// Whether the two addresses cannot both be bound. Port 0 never conflicts. Of IPv4 and IPv6 only the system knows, when they are bound.
fn is_same_socket(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip(), other.ip());
    let overlaps = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    one.port() == other.port() && one.port() != 0 && ip.is_ipv4() == other_ip.is_ipv4() && overlaps
}

impl Components {
    /// Opens the database and joins the components. Fails with a [`ConfigError`], or with a sentence.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_checked(config, checked(config).map_err(ConfigError)?).await
    }

    async fn open_checked(config: &Config, checked: CheckedConfig) -> anyhow::Result<Self> {
        let CheckedConfig { master_key, previous, allowed, location, issuers } = checked;
        let store = Store::open_with(&location, config.quotas).await?;
        let guard = BaseUrlGuard::new(allowed);
        let transport = Transport::new(&guard).context(
            "the HTTP client cannot start, because this machine has no certificate store; install ca-certificates",
        )?;
        let sealer = Sealer::with_others(&master_key, &previous)
            .map_err(|failure| anyhow::anyhow!("{}", failure.detail.as_str()))?;
        let transport = transport.with_limits(config.limits);
        let limits = OperatorLimits { process: config.limits, upstream: config.upstream_limits.clone() };
        let admin_token = config.storage.admin_token.as_ref().map(|AdminToken(token)| token);
        Ok(Self::join(store, sealer, guard, transport, admin_token, issuers, limits))
    }

    /// Joins components that are open already.
    #[must_use]
    pub fn join(
        store: Store,
        sealer: Sealer,
        guard: BaseUrlGuard,
        transport: Transport,
        admin_token: Option<&SecretString>,
        issuers: Issuers,
        limits: impl Into<OperatorLimits>,
    ) -> Self {
        let OperatorLimits { process: limits, upstream } = limits.into();
        let sealer = Arc::new(sealer);
        let (bytes, upstreams) = (transport.bytes_in_flight(), transport.clone());
        let tokens = issuers.tokens(store.tenants.clone(), &transport);
        let authenticator = Authenticator::new(store.keys.clone(), admin_token).with_tokens(tokens);
        let authenticator = Arc::new(authenticator.with_sessions(sealer.clone()));
        let audit = Audit::new(store.audit.clone(), sealer.clone());
        let resolver =
            CredentialResolver::new(store.credentials.clone(), sealer.clone(), guard, transport, ADAPTERS);
        let resolver = Arc::new(resolver.with_rate_limits(upstream));
        let tenants = Tenants::new(
            store.tenants.clone(),
            sealer.clone(),
            authenticator.clone(),
            resolver.clone(),
            audit.clone(),
        );
        let keys = ApiKeys::new(&store, sealer.clone(), authenticator.clone(), audit.clone());
        let ledger = Ledger::new(&store, sealer.clone(), limits);
        let credentials = Credentials::new(
            store.credentials.clone(),
            sealer.clone(),
            resolver,
            ledger.clone(),
            audit.clone(),
        );
        let rotation = Rotation::new(store.sealed.clone(), sealer.clone(), audit.clone());
        let replicas = SharedLocks::new(&store, sealer.clone(), limits);
        let contacts = Contacts::new(
            credentials.clone(),
            sealer.clone(),
            audit.clone(),
            ledger.clone(),
            replicas,
            &limits,
        );
        let database = store.database.clone();
        let gateway = Gateway {
            contacts,
            credentials,
            keys,
            ledger,
            tenants,
            audit,
            rotation,
            database,
            bytes,
            upstreams,
        };
        Self { store, sealer, authenticator, gateway }
    }
}

fn checked(config: &Config) -> Result<CheckedConfig, Vec<ConfigFault>> {
    let StorageSettings { database_url, master_key, previous_master_keys, upstream_allow, .. } =
        &config.storage;
    let mut faults = unknown_providers(&config.upstream_limits);
    let mut fault = |key: &str, text: String| faults.push(ConfigFault::new(&config.origin(key), text));
    let invalid = |fault| format!("not a valid master key: {fault}");
    let master_key = match master_key {
        Some(text) => MasterKey::parse(text.expose_secret()).map_err(invalid),
        None => Err(format!("missing; set it or GATEWAY_MASTER_KEY_FILE; {HOW_TO_MAKE_A_KEY}")),
    };
    let master_key = master_key.map_err(|reason| fault("master_key", reason)).ok();
    let mut previous = Vec::new();
    for (index, text) in previous_master_keys.iter().enumerate() {
        match MasterKey::parse(text.expose_secret()) {
            Ok(key) => previous.push(key),
            Err(reason) => {
                fault("previous_master_keys", format!("number {} is {}", index + 1, invalid(reason)));
            }
        }
    }
    let allowed = AllowList::parse(upstream_allow).map_err(|reason| fault("upstream_allow", reason)).ok();
    let location = Location::parse(database_url.expose_secret());
    let location = location.map_err(|reason| fault("database_url", reason.to_string())).ok();
    let issuers = Issuers::new(&config.issuers, &allowed.clone().unwrap_or_default());
    let issuers = issuers.map_err(|others| faults.extend(others)).ok();
    match (master_key, allowed, location, issuers) {
        (Some(master_key), Some(allowed), Some(location), Some(issuers)) if faults.is_empty() => {
            Ok(CheckedConfig { master_key, previous, allowed, location, issuers })
        }
        _ => Err(faults),
    }
}

/// A fault for each provider with rate limits that no adapter has.
fn unknown_providers(limits: &UpstreamLimits) -> Vec<ConfigFault> {
    let names = || ADAPTERS.iter().map(|spec| spec.provider.as_str());
    let unknown = limits.0.iter().filter(|limits| !names().any(|name| name == limits.provider));
    let fault = |limits: &ProviderLimits| {
        let near = suggestion(&limits.provider, names()).map_or_else(
            || format!("the providers are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        ConfigFault::new(&limits.origin, format!("no such provider; {near}"))
    };
    unknown.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_have_two_addresses() {
        let is_same = |one: &str, other: &str| is_same_socket(one.parse().unwrap(), other.parse().unwrap());
        for (one, other, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "127.0.0.1:8081", false),
            ("127.0.0.1:8080", "127.0.0.2:8080", false),
            ("0.0.0.0:8080", "127.0.0.1:8080", true),
            ("[::]:8080", "[::1]:8080", true),
            ("[::]:8080", "127.0.0.1:8080", false),
            ("[::]:8080", "0.0.0.0:8080", false),
            ("[::1]:8080", "127.0.0.1:8080", false),
            ("[::1]:8080", "0.0.0.0:8080", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!((is_same(one, other), is_same(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn a_rate_limit_of_an_unknown_provider_names_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let key = MasterKey::generate().unwrap().text().expose_secret().to_owned();
        let fault = |provider: &str| {
            std::fs::write(&file, format!("[limits.upstream.\"{provider}\"]\nper_minute = 1")).unwrap();
            let flags = Flags { file: Some(file.clone()), values: Vec::new() };
            let config = Config::read(&flags, [("GATEWAY_MASTER_KEY".to_owned(), key.clone())]).unwrap();
            check(&config).0.iter().map(ToString::to_string).collect::<Vec<_>>().concat()
        };
        assert_eq!(fault("aptly"), "");
        assert!(fault("aptyl").ends_with("no such provider; did you mean `aptly`?"), "{}", fault("aptyl"));
        let other = fault("salesforce");
        assert!(other.ends_with("no such provider; the providers are aptly, pipeline"), "{other}");
    }
}
