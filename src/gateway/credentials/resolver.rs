//! From a stored credential to an adapter: unseals the secret, checks the base URL, connects. Results are reloaded every few
//! seconds.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::accounts::Accounts;
use super::adapter_cache::AdapterCache;
use super::health::CredentialHealth;
use super::{BATCH, ConnectedCredential, LISTED_MOST};
use crate::adapters::{AdapterConnection, AdapterSpec, CredentialSecret, Settings};
use crate::config::UpstreamLimits;
use crate::domain::{CredentialId, Failure, FieldFault, Result, TenantId, Text};
use crate::gateway::listing::ListRow;
use crate::sealing::{Bound, Sealer, hex, sha256};
use crate::store::{CredentialRecord, CredentialStore, TtlCache};
use crate::upstream::{
    AccountId, AccountLimits, AccountSpec, BaseUrl, BaseUrlGuard, RateLimit, Transport, Upstream,
};

const REMEMBERED_CREDENTIALS: u64 = 10_000;
const REMEMBERED_TENANTS: u64 = 10_000;
/// The column of the sealed secret; the secret is bound to it.
const COLUMN: &str = "credentials.secret";

pub struct CredentialResolver {
    store: Arc<dyn CredentialStore>,
    sealer: Arc<Sealer>,
    guard: BaseUrlGuard,
    transport: Transport,
    adapters: &'static [&'static AdapterSpec],
    rate_limits: UpstreamLimits,
    recent: TtlCache<(TenantId, CredentialId), Option<ConnectedCredential>>,
    connected: AdapterCache,
    accounts: Accounts,
    /// The ids of each tenant's credentials.
    ids: TtlCache<TenantId, Arc<[CredentialId]>>,
}

/// Parsed settings, and the base URL in them.
pub(super) struct ResolvedSettings {
    spec: &'static AdapterSpec,
    settings: Settings,
    pub(super) base_url: BaseUrl,
}

impl CredentialResolver {
    /// Joins the parts; `adapters` is [`crate::adapters::ADAPTERS`], except in tests.
    #[must_use]
    pub fn new(
        store: Arc<dyn CredentialStore>,
        sealer: Arc<Sealer>,
        guard: BaseUrlGuard,
        transport: Transport,
        adapters: &'static [&'static AdapterSpec],
    ) -> Self {
        let (recent, connected) = (TtlCache::new(REMEMBERED_CREDENTIALS), AdapterCache::default());
        let (accounts, ids) = (Accounts::default(), TtlCache::new(REMEMBERED_TENANTS));
        let rate_limits = UpstreamLimits::default();
        Self { store, sealer, guard, transport, adapters, rate_limits, recent, connected, accounts, ids }
    }

    /// The same with rate limits of the operator.
    #[must_use]
    pub fn with_rate_limits(self, rate_limits: UpstreamLimits) -> Self {
        Self { rate_limits, ..self }
    }

    /// The rate limits of one account of the CRM: those of the operator, else those that the CRM publishes.
    pub(super) fn rate_limits(&self, spec: &AdapterSpec) -> Vec<RateLimit> {
        RateLimit::configured(spec.limits, self.rate_limits.of(spec.provider.as_str()))
    }

    /// Removes every credential from the caches, after a tenant was removed.
    pub fn forget_all(&self) {
        self.recent.forget_all();
        self.ids.forget_all();
        self.connected.forget_all();
        self.accounts.forget_all();
    }

    /// Removes a changed credential from the caches.
    pub(super) fn forget(&self, tenant: &TenantId, id: &CredentialId) {
        let key = (tenant.clone(), id.clone());
        self.recent.forget(&key);
        self.connected.forget(tenant, id);
        self.ids.forget(tenant);
    }

    /// Removes a removed credential from the caches.
    pub(super) fn forget_removed(&self, tenant: &TenantId, id: &CredentialId) {
        self.forget(tenant, id);
        self.accounts.forget(tenant, id);
    }

    /// The ids of the tenant's first credentials, at most [`LISTED_MOST`], oldest first.
    pub(super) async fn ids(&self, tenant: &TenantId) -> Result<Arc<[CredentialId]>> {
        self.ids.get(tenant, || self.load_ids(tenant)).await
    }

    async fn load_ids(&self, tenant: &TenantId) -> Result<Arc<[CredentialId]>> {
        let (mut ids, mut after): (Vec<CredentialId>, _) = (Vec::new(), None);
        while ids.len() < LISTED_MOST {
            let rows = self.store.list(tenant, after.as_ref(), BATCH).await?;
            let is_last = rows.len() < BATCH as usize;
            after = rows.last().map(ListRow::position);
            ids.extend(rows.into_iter().map(|row| row.id));
            if is_last {
                break;
            }
        }
        ids.truncate(LISTED_MOST);
        Ok(ids.into())
    }

    /// The tenant's credential, ready for use; `None` if it does not exist.
    pub(super) async fn open(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
    ) -> Result<Option<ConnectedCredential>> {
        let key = (tenant.clone(), id.clone());
        self.recent.get(&key, || async { self.load(tenant, id).await }).await
    }

    async fn load(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<ConnectedCredential>> {
        let Some(held) = self.store.get(tenant, id).await? else {
            self.connected.forget(tenant, id);
            return Ok(None);
        };
        self.open_held(&held).map(Some)
    }

    /// The connected form of a stored credential. It is shared while the credential does not change.
    pub(super) fn open_held(&self, held: &CredentialRecord) -> Result<ConnectedCredential> {
        if let Some(opened) = self.connected.get(held) {
            opened.health.load(held);
            return Ok(opened);
        }
        let opened = self.connect_held(held)?;
        opened.health.load(held);
        self.connected.keep(held.clone(), opened.clone());
        Ok(opened)
    }

    /// Checks the base URL again, because the allow list may have become shorter.
    fn connect_held(&self, held: &CredentialRecord) -> Result<ConnectedCredential> {
        let spec = self.spec(&held.provider)?;
        let link = ResolvedSettings {
            spec,
            settings: Settings::read(spec.settings, &held.settings)?,
            base_url: self.guard.check(&held.base_url)?,
        };
        self.connect(&held.tenant, &held.id, &link, &self.unseal(held)?)
    }

    /// The adapter's declaration. Fails with `validation_failed` that names the known providers.
    pub(super) fn spec(&self, provider: &str) -> Result<&'static AdapterSpec> {
        self.adapters.iter().copied().find(|spec| spec.provider.as_str() == provider).ok_or_else(|| {
            let words: Vec<&str> = self.adapters.iter().map(|spec| spec.provider.as_str()).collect();
            let detail = format!("`provider` must be one of: {}.", words.join(", "));
            Failure::validation(vec![FieldFault::member("/provider", "unknown_provider", detail)])
        })
    }

    /// Reads settings and checks the base URL. Fails with `validation_failed`, `base_url_refused`.
    pub(super) fn link(&self, spec: &'static AdapterSpec, settings: &str) -> Result<ResolvedSettings> {
        let settings = Settings::read(spec.settings, settings)?;
        let given = settings.text("baseUrl").or(spec.default_base_url.map(Text::from_static));
        let given = given.ok_or_else(|| {
            let detail =
                "`baseUrl` is required, because this provider has no common base URL for all accounts.";
            Failure::validation(vec![FieldFault::member("/settings/baseUrl", "required", detail)])
        })?;
        let base_url = self.guard.check(&given)?;
        Ok(ResolvedSettings { spec, settings, base_url })
    }

    /// Joins settings and secret. Fails with `validation_failed` if either is unusable.
    pub(super) fn connect(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        link: &ResolvedSettings,
        secret: &SecretString,
    ) -> Result<ConnectedCredential> {
        let ResolvedSettings { spec, settings, base_url } = link;
        let secret_digest = hex(&sha256(secret.expose_secret().as_bytes())).into();
        let account_source = self.accounts.source(tenant, id, base_url.as_str(), secret_digest);
        let secret = read_secret(spec, secret)?;
        let account = self.account(tenant, id, spec, settings);
        let (transport, base_url) = (self.transport.clone(), base_url.clone());
        let host = Text::from(base_url.url().origin().ascii_serialization());
        let health = CredentialHealth::new(
            self.store.clone(),
            tenant.clone(),
            id.clone(),
            spec.provider,
            host.clone(),
        );
        let upstream = Upstream::new(transport, spec.provider, base_url, account.clone());
        let adapter = (spec.connect)(AdapterConnection { settings, secret: &secret, upstream })?;
        let (id, seen_fields) = (id.clone(), Arc::default());
        Ok(ConnectedCredential { id, spec, adapter, host, account, seen_fields, account_source, health })
    }

    /// The limits for probes of the tenant's new credentials. Each new credential has another id, so these probes share the
    /// limits of an id that no credential has.
    pub(super) fn probe_limits(&self, tenant: &TenantId, spec: &AdapterSpec) -> AccountLimits {
        self.account(tenant, &CredentialId::from("new"), spec, &Settings::default())
    }

    /// The credential's concurrency limit and its budget, which its settings may share with other credentials.
    fn account(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        spec: &AdapterSpec,
        settings: &Settings,
    ) -> AccountLimits {
        let share = settings.limit_share();
        let limits = self.rate_limits(spec).into_iter().map(|limit| limit.share(share)).collect();
        self.transport.account(AccountSpec {
            id: AccountId { tenant: tenant.clone(), credential: id.clone() },
            provider: spec.provider,
            group: settings.limit_group(),
            limits: RateLimit::lowered(limits, settings.call_rates()),
        })
    }

    /// Seals the secret, bound to its row. Fails with `internal`.
    pub(super) fn seal(&self, record: &CredentialRecord, secret: &SecretString) -> Result<Vec<u8>> {
        self.sealer.seal(&bound(record), secret.expose_secret().as_bytes())
    }

    /// The stored secret. Fails with `secret_unreadable`.
    pub(super) fn unseal(&self, record: &CredentialRecord) -> Result<SecretString> {
        let plain = self.sealer.open(&bound(record), &record.secret).inspect_err(|_| {
            tracing::error!(tenant = %record.tenant, credential = %record.id, "a stored secret cannot be opened with any master key");
        })?;
        let text = std::str::from_utf8(plain.expose_secret());
        text.map(SecretString::from).map_err(|_| Failure::internal("a stored secret is not text"))
    }
}

/// The fields of the secret. Fails with `validation_failed` at `/secret`.
pub(super) fn read_secret(spec: &'static AdapterSpec, secret: &SecretString) -> Result<CredentialSecret> {
    CredentialSecret::read(spec.secrets, secret.expose_secret())
}

fn bound(record: &CredentialRecord) -> Bound<'_> {
    bound_to(&record.tenant, &record.id, &record.base_url)
}

/// What the secret of a credential is bound to.
pub(super) fn bound_to<'a>(tenant: &'a TenantId, id: &'a CredentialId, base_url: &'a str) -> Bound<'a> {
    Bound { tenant: tenant.as_str(), credential: id.as_str(), column: COLUMN, base_url }
}
