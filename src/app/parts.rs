//! What every command that touches the database is made of.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::adapters::ADAPTERS;
use crate::auth::{Authenticator, Issuers};
use crate::config::{Config, ConfigError};
use crate::gateway::credentials::Opening;
use crate::gateway::{Contacts, Credentials, Gateway, Keys, Tenants};
use crate::sealing::{HOW_TO_MAKE_A_KEY, MasterKey, Sealer};
use crate::store::{Location, Store};
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

/// The parts behind the HTTP edge and the commands.
pub struct Parts {
    /// The open database.
    pub store: Store,
    /// Seals and authenticates.
    pub sealer: Arc<Sealer>,
    /// Knows who calls.
    pub authenticator: Arc<Authenticator>,
    /// Contacts, credentials, keys and tenants.
    pub gateway: Gateway,
}

/// What the owners of the settings make of their texts.
struct Checked {
    master_key: MasterKey,
    allowed: AllowList,
    location: Location,
    issuers: Issuers,
}

/// Checks what reading the configuration leaves to others: master key, allow-list, database URL, issuers' keys.
/// Fails with a sentence for each fault.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    checked(config).map(|_| ())
}

impl Parts {
    /// Opens the database and joins the parts. Fails with a sentence for each fault.
    pub async fn open(config: &Config) -> Result<Self, ConfigError> {
        let Checked { master_key, allowed, location, issuers } = checked(config)?;
        let store = Store::open(&location).await.map_err(|error| one(error.to_string()))?;
        let transport = Transport::new().map_err(|_| {
            one("the HTTP client cannot start: this machine has no certificate store; install ca-certificates")
        })?;
        let sealer = Sealer::new(&master_key).map_err(|failure| one(failure.detail.as_str()))?;
        let guard = BaseUrlGuard::new(allowed);
        Ok(Self::join(store, sealer, guard, transport, config.admin_token.as_ref(), issuers))
    }

    /// Joins parts that are open already.
    #[must_use]
    pub fn join(
        store: Store,
        sealer: Sealer,
        guard: BaseUrlGuard,
        transport: Transport,
        admin_token: Option<&SecretString>,
        issuers: Issuers,
    ) -> Self {
        let sealer = Arc::new(sealer);
        let tokens = issuers.tokens(store.tenants.clone(), &transport);
        let authenticator = Authenticator::new(store.keys.clone(), admin_token).with_tokens(tokens);
        let authenticator = Arc::new(authenticator);
        let opening =
            Arc::new(Opening::new(store.credentials.clone(), sealer.clone(), guard, transport, ADAPTERS));
        let tenants =
            Tenants::new(store.tenants.clone(), sealer.clone(), authenticator.clone(), opening.clone());
        let keys = Keys::new(&store, sealer.clone(), authenticator.clone());
        let credentials = Credentials::new(store.credentials.clone(), sealer.clone(), opening);
        let contacts = Contacts::new(credentials.clone(), sealer.clone());
        let gateway = Gateway { contacts, credentials, keys, tenants };
        Self { store, sealer, authenticator, gateway }
    }
}

fn checked(config: &Config) -> Result<Checked, ConfigError> {
    let master_key = match &config.master_key {
        Some(text) => MasterKey::parse(text.expose_secret())
            .map_err(|fault| format!("{} is no master key: {fault}", config.origin("master_key"))),
        None => Err(format!(
            "no master key is given: set GATEWAY_MASTER_KEY or GATEWAY_MASTER_KEY_FILE; {HOW_TO_MAKE_A_KEY}"
        )),
    };
    let allowed = AllowList::parse(&config.upstream_allow)
        .map_err(|fault| format!("{}: {fault}", config.origin("upstream_allow")));
    let location = Location::parse(config.database_url.expose_secret())
        .map_err(|fault| format!("{}: {fault}", config.origin("database_url")));
    let named = allowed.as_ref().ok().cloned().unwrap_or_default();
    let issuers = Issuers::new(&config.issuers, &named);
    match (master_key, allowed, location, issuers) {
        (Ok(master_key), Ok(allowed), Ok(location), Ok(issuers)) => {
            Ok(Checked { master_key, allowed, location, issuers })
        }
        (master_key, allowed, location, issuers) => {
            let others = issuers.err().unwrap_or_default();
            let first = [master_key.err(), allowed.err(), location.err()];
            Err(ConfigError(first.into_iter().flatten().chain(others).collect()))
        }
    }
}

fn one(sentence: impl Into<String>) -> ConfigError {
    ConfigError(vec![sentence.into()])
}
