//! The composition root: joins configuration, store, sealing, adapters, gateway and HTTP edge.

mod demo;
#[cfg(test)]
mod interleavings;
mod measure;
mod serve;
mod server;
mod simulate;
mod start;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::adapters::ADAPTERS;
use crate::auth::{Authenticator, Issuers};
use crate::config::{Config, ConfigError, Limits, ProviderLimits, UpstreamLimits};
use crate::domain::nearest;
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

/// Checks the settings that other modules parse: master key, allow-list, database URL, issuers' keys. Fails with a sentence
/// for each fault.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    checked(config).map(|_| ())
}

impl Components {
    /// Opens the database and joins the components. Fails with a sentence for each fault.
    pub async fn open(config: &Config) -> Result<Self, ConfigError> {
        let CheckedConfig { master_key, previous, allowed, location, issuers } = checked(config)?;
        let store =
            Store::open_with(&location, config.quotas).await.map_err(|error| one(error.to_string()))?;
        let guard = BaseUrlGuard::new(allowed);
        let transport = Transport::new(&guard).map_err(|_| {
            one("the HTTP client cannot start, because this machine has no certificate store; install ca-certificates")
        })?;
        let sealer =
            Sealer::with_others(&master_key, &previous).map_err(|failure| one(failure.detail.as_str()))?;
        let transport = transport.with_limits(config.limits);
        let limits = OperatorLimits { process: config.limits, upstream: config.upstream_limits.clone() };
        Ok(Self::join(store, sealer, guard, transport, config.admin_token.as_ref(), issuers, limits))
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

fn checked(config: &Config) -> Result<CheckedConfig, ConfigError> {
    let master_key = match &config.master_key {
        Some(text) => MasterKey::parse(text.expose_secret())
            .map_err(|fault| format!("{} is not a valid master key: {fault}", config.origin("master_key"))),
        None => Err(format!(
            "no master key is given: set GATEWAY_MASTER_KEY or GATEWAY_MASTER_KEY_FILE; {HOW_TO_MAKE_A_KEY}"
        )),
    };
    let previous = previous(config);
    let allowed = AllowList::parse(&config.upstream_allow)
        .map_err(|fault| format!("{}: {fault}", config.origin("upstream_allow")));
    let location = Location::parse(config.database_url.expose_secret())
        .map_err(|fault| format!("{}: {fault}", config.origin("database_url")));
    let named = allowed.as_ref().ok().cloned().unwrap_or_default();
    let issuers = Issuers::new(&config.issuers, &named);
    let strangers = unknown_providers(&config.upstream_limits);
    match (master_key, previous, allowed, location, issuers) {
        (Ok(master_key), Ok(previous), Ok(allowed), Ok(location), Ok(issuers)) if strangers.is_empty() => {
            Ok(CheckedConfig { master_key, previous, allowed, location, issuers })
        }
        (master_key, previous, allowed, location, issuers) => {
            let others = issuers.err().unwrap_or_default();
            let first = [master_key.err(), previous.err(), allowed.err(), location.err()];
            Err(ConfigError(first.into_iter().flatten().chain(others).chain(strangers).collect()))
        }
    }
}

/// A sentence for each provider with rate limits that no adapter has.
fn unknown_providers(limits: &UpstreamLimits) -> Vec<String> {
    let names = || ADAPTERS.iter().map(|spec| spec.provider.as_str());
    let unknown = limits.0.iter().filter(|limits| !names().any(|name| name == limits.provider));
    let sentence = |limits: &ProviderLimits| {
        let near = nearest(&limits.provider, names()).map_or_else(
            || format!("the providers are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        format!("{}: no such provider; {near}", limits.origin)
    };
    unknown.map(sentence).collect()
}

/// The previous master keys.
fn previous(config: &Config) -> Result<Vec<MasterKey>, String> {
    let parsed = config.previous_master_keys.iter().enumerate().map(|(index, text)| {
        MasterKey::parse(text.expose_secret()).map_err(|fault| {
            let origin = config.origin("previous_master_keys");
            format!("{origin}: number {} is not a valid master key: {fault}", index + 1)
        })
    });
    parsed.collect()
}

fn one(sentence: impl Into<String>) -> ConfigError {
    ConfigError(vec![sentence.into()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    #[test]
    fn a_rate_limit_of_an_unknown_provider_names_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let key = MasterKey::generate().unwrap().text().expose_secret().to_owned();
        let fault = |provider: &str| {
            std::fs::write(&file, format!("[limits.upstream.\"{provider}\"]\nper_minute = 1")).unwrap();
            let flags = Flags { file: Some(file.clone()), values: Vec::new() };
            let config = Config::read(&flags, [("GATEWAY_MASTER_KEY".to_owned(), key.clone())]).unwrap();
            check(&config).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(fault("aptly"), "");
        assert!(fault("aptyl").ends_with("no such provider; did you mean `aptly`?"), "{}", fault("aptyl"));
        let other = fault("salesforce");
        assert!(other.ends_with("no such provider; the providers are aptly, pipeline"), "{other}");
    }
}
