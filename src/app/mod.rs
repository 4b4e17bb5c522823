//! The composition root: joins configuration, store, sealing, adapters, gateway and HTTP edge.

mod demo;
#[cfg(test)]
mod interleavings;
mod serve;
mod server;
mod simulate;
mod start;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::adapters::ADAPTERS;
use crate::auth::{Authenticator, Issuers};
use crate::config::{Config, ConfigError, Limits};
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
        Ok(Self::join(store, sealer, guard, transport, config.admin_token.as_ref(), issuers, config.limits))
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
        limits: Limits,
    ) -> Self {
        let sealer = Arc::new(sealer);
        let bytes = transport.bytes_in_flight();
        let tokens = issuers.tokens(store.tenants.clone(), &transport);
        let authenticator = Authenticator::new(store.keys.clone(), admin_token).with_tokens(tokens);
        let authenticator = Arc::new(authenticator);
        let audit = Audit::new(store.audit.clone(), sealer.clone());
        let resolver = Arc::new(CredentialResolver::new(
            store.credentials.clone(),
            sealer.clone(),
            guard,
            transport,
            ADAPTERS,
        ));
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
        let gateway =
            Gateway { contacts, credentials, keys, ledger, tenants, audit, rotation, database, bytes };
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
    match (master_key, previous, allowed, location, issuers) {
        (Ok(master_key), Ok(previous), Ok(allowed), Ok(location), Ok(issuers)) => {
            Ok(CheckedConfig { master_key, previous, allowed, location, issuers })
        }
        (master_key, previous, allowed, location, issuers) => {
            let others = issuers.err().unwrap_or_default();
            let first = [master_key.err(), previous.err(), allowed.err(), location.err()];
            Err(ConfigError(first.into_iter().flatten().chain(others).collect()))
        }
    }
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
