//! Credentials: a tenant's connections to CRM accounts, with sealed secrets.

mod access;
mod accounts;
mod adapter_cache;
mod create;
mod health;
mod resolver;
mod rotation;
mod settings;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::access::{check_group, check_unrestricted, may_name, not_found};
pub use self::create::{CredentialRequest, CredentialResponseBuilder};
pub use self::resolver::CredentialResolver;
use self::resolver::{ResolvedSettings, read_secret};
pub use self::rotation::{KeyUsage, Rotated, Rotation};
pub use self::shape::{CheckOutcome, ConnectedCredential, Credential, CredentialDraft, CredentialPatch};
use super::audit::{Action, Audit, Entry, fields};
use super::listing::{self, ListRow};
use super::writes::{Ledger, StoredResponse};
use super::{Listing, ListingRequest, names};
use crate::adapters::AdapterSpec;
use crate::domain::{
    Actor, CallContext, Caller, CredentialId, Failure, FailureKind, Faults, FieldFault, Principal, RawJson,
    Result, Scope, Scopes, TenantId, Text,
};
use crate::sealing::Sealer;
pub use crate::store::CheckRecord;
use crate::store::{CredentialRecord, CredentialStore, now};
use crate::upstream::{AccountLimits, RateLimit};

/// How often a change is tried again when the same credential is changed concurrently.
const TRIES: usize = 3;
/// How many credentials of a tenant are listed to use them all.
pub(in crate::gateway) const LISTED_MOST: usize = 51;
/// How many rows are read at once. Settings may be large, and a key may see only some of the rows.
const BATCH: u32 = 20;

/// Credentials. Clones share everything.
#[derive(Clone)]
pub struct Credentials {
    store: Arc<dyn CredentialStore>,
    sealer: Arc<Sealer>,
    resolver: Arc<CredentialResolver>,
    ledger: Ledger,
    audit: Audit,
}

impl Credentials {
    #[must_use]
    pub fn new(
        store: Arc<dyn CredentialStore>,
        sealer: Arc<Sealer>,
        resolver: Arc<CredentialResolver>,
        ledger: Ledger,
        audit: Audit,
    ) -> Self {
        Self { store, sealer, resolver, ledger, audit }
    }

    /// Opens a credential of the caller's tenant. Fails with `credential_not_found` for an id that does not exist, belongs
    /// to another tenant, or is outside the key's list; with `secret_unreadable`, `base_url_refused`.
    pub async fn open(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: &CredentialId,
    ) -> Result<ConnectedCredential> {
        may_name(caller, id)?;
        let opened = self.resolver.open(&caller.tenant, id).await?.ok_or_else(|| not_found(caller, id))?;
        context.record.note_credential(&opened.id, opened.spec.provider);
        Ok(opened)
    }

    /// The rate limits of one account of the CRM, unless its credential lowers them.
    #[must_use]
    pub fn rate_limits(&self, spec: &AdapterSpec) -> Vec<RateLimit> {
        self.resolver.rate_limits(spec)
    }

    /// The ids of the credentials that the caller may name, oldest first: at most [`LISTED_MOST`], which is more than any
    /// request names. Of a key with a list, those of its list, whether they exist or not.
    pub(in crate::gateway) async fn ids(&self, caller: &Caller) -> Result<Vec<CredentialId>> {
        match &caller.credentials {
            Some(listed) => Ok(listed.clone()),
            None => Ok(self.resolver.ids(&caller.tenant).await?.to_vec()),
        }
    }

    /// Opens a credential for a background job, such as the search for a lost create. `None` if it is gone.
    pub(in crate::gateway) async fn open_for_recovery(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
    ) -> Result<Option<ConnectedCredential>> {
        self.resolver.open(tenant, id).await
    }

    /// Stores a credential; with `verify`, only after its CRM accepted the secret. Needs `credentials:write`, and a
    /// key without a list of credentials. Fails with `validation_failed`, `base_url_refused`, `name_taken`, and with the
    /// failures of the CRM.
    pub async fn create(
        &self,
        context: &CallContext,
        caller: &Caller,
        draft: CredentialDraft,
        verify: bool,
    ) -> Result<Credential> {
        self.create_as(context, caller, names::new_id("cred").into(), draft, verify).await
    }

    /// Like [`Self::create`], for a request of the API, which may have an `Idempotency-Key`.
    pub async fn create_once(&self, request: CredentialRequest) -> Result<StoredResponse> {
        let entry = self.begin_create(&request.context, &request.caller, &request.draft);
        request.run(self.clone(), entry).await
    }

    /// Like [`Self::create`], with a given id, for `demo`, which prints calls with this id.
    pub(crate) async fn create_as(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: CredentialId,
        draft: CredentialDraft,
        verify: bool,
    ) -> Result<Credential> {
        let entry = self.begin_create(context, caller, &draft);
        let made = self.add(context, caller, id, draft, verify).await;
        entry.end_on(made, |made| Some(made.id.as_str().into())).await
    }

    fn begin_create(&self, context: &CallContext, caller: &Caller, draft: &CredentialDraft) -> Entry {
        let mut given = vec!["provider".into(), "name".into(), "secret".into()];
        given.extend(fields::of_settings(&draft.settings));
        let actor = Actor::of(caller, context);
        self.audit.begin(&actor, Action::CredentialCreate, Some(&caller.tenant)).giving(given)
    }

    async fn add(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: CredentialId,
        draft: CredentialDraft,
        verify: bool,
    ) -> Result<Credential> {
        caller.require(Scope::CredentialsWrite)?;
        check_unrestricted(caller, "add one")?;
        let CredentialDraft { provider, name, settings, secret } = draft;
        let spec = self.resolver.spec(&provider)?;
        let settings = settings::merged("{}", settings.as_str())?;
        settings::check_size(&settings)?;
        settings::check_secret_size(&secret)?;
        let (name, link) = combined(
            names::check(&name).map_err(|fault| Failure::validation(vec![fault])),
            self.resolver.link(spec, &settings),
            read_secret(spec, &secret),
        )?;
        let opened = self.resolver.connect(&caller.tenant, &id, &link, &secret)?;
        let probe_limits = self.resolver.probe_limits(&caller.tenant, spec);
        let last_check =
            if verify { Some(probed(context, &opened, &probe_limits, None).await?) } else { None };
        let at = now();
        let mut record = CredentialRecord {
            id,
            tenant: caller.tenant.clone(),
            provider: spec.provider.as_str().into(),
            name,
            settings: settings.into(),
            base_url: link.base_url.as_str().into(),
            secret: Vec::new(),
            revision: 1,
            created_at: at,
            updated_at: at,
            last_check,
        };
        record.secret = self.resolver.seal(&record, &secret)?;
        self.store.insert(&record).await?;
        context.record.note_credential(&record.id, spec.provider);
        self.resolver.forget(&record.tenant, &record.id);
        self.shown(record)
    }

    /// Lists the credentials that the caller may name, oldest first. Needs `credentials:read`.
    pub async fn list(&self, caller: &Caller, request: &ListingRequest) -> Result<Listing<Credential>> {
        caller.require(Scope::CredentialsRead)?;
        let scope =
            listing::ListScope { sealer: &self.sealer, of: "credentials", owner: caller.tenant.as_str() };
        let mut after = scope.after(request)?;
        let mut rows = Vec::new();
        loop {
            let batch = self.store.list(&caller.tenant, after.as_ref(), BATCH).await?;
            let last = u32::try_from(batch.len()).unwrap_or(u32::MAX) < BATCH;
            after = batch.last().map(ListRow::position).or(after);
            rows.extend(batch.into_iter().filter(|row| may_name(caller, &row.id).is_ok()));
            if last || listing::exceeds(&rows, request) {
                break;
            }
        }
        let Listing { items, next_cursor } = scope.cut(rows, request);
        let items = items.into_iter().map(|row| self.shown(row)).collect::<Result<_>>()?;
        Ok(Listing { items, next_cursor })
    }

    /// Returns one credential. Needs `credentials:read`. Fails with `credential_not_found`.
    pub async fn get(&self, caller: &Caller, id: &CredentialId) -> Result<Credential> {
        caller.require(Scope::CredentialsRead)?;
        self.shown(self.held(caller, id).await?)
    }

    /// Changes a credential. Another base URL requires the secret in the same request. A changed secret or base URL is
    /// probed, unless `verify` is false. Needs `credentials:write`, and for a new name a key without a list of credentials.
    /// Fails like [`Self::create`].
    pub async fn update(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: &CredentialId,
        patch: CredentialPatch,
        verify: bool,
    ) -> Result<Credential> {
        let actor = Actor::of(caller, context);
        let entry = self.audit.begin(&actor, Action::CredentialUpdate, Some(&caller.tenant)).on(id.as_str());
        let entry = entry.giving(patch.fields());
        entry.end(self.change(context, caller, id, &patch, verify).await).await
    }

    async fn change(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: &CredentialId,
        patch: &CredentialPatch,
        verify: bool,
    ) -> Result<Credential> {
        caller.require(Scope::CredentialsWrite)?;
        if patch.name.is_some() {
            may_name(caller, id)?;
            check_unrestricted(caller, "change their names; leave out `name`")?;
        }
        for _ in 0..TRIES {
            let held = self.held(caller, id).await?;
            let before = held.clone();
            let spec = self.resolver.spec(&held.provider)?;
            context.record.note_credential(&held.id, spec.provider);
            check_group(caller, spec, &held, patch)?;
            let changed = self.changed(context, held, patch, verify).await?;
            let stored = self.store.update(&changed).await?;
            self.resolver.forget(&caller.tenant, id);
            if stored {
                if let Some(check) = &changed.last_check {
                    self.log_change(&before, check)?;
                }
                return self.shown(changed);
            }
        }
        let detail = "This credential was changed by other requests at the same time. Read it and try again.";
        Err(Failure::new(FailureKind::StoreUnavailable, detail))
    }

    /// Removes a credential and its secret. Needs `credentials:write`. Fails with `credential_not_found`.
    pub async fn delete(&self, context: &CallContext, caller: &Caller, id: &CredentialId) -> Result<()> {
        let actor = Actor::of(caller, context);
        let entry = self.audit.begin(&actor, Action::CredentialDelete, Some(&caller.tenant)).on(id.as_str());
        let removed = async {
            caller.require(Scope::CredentialsWrite)?;
            may_name(caller, id)?;
            let existed = self.store.delete(&caller.tenant, id).await?;
            self.resolver.forget_removed(&caller.tenant, id);
            if existed { Ok(()) } else { Err(not_found(caller, id)) }
        };
        entry.end(removed.await).await
    }

    /// Checks whether the CRM still accepts the secret, and stores the result. Needs `credentials:read`.
    /// An unreadable secret is a result too. Fails with `credential_not_found`, `store_unavailable`,
    /// `too_many_concurrent_requests`.
    pub async fn check(
        &self,
        context: &CallContext,
        caller: &Caller,
        id: &CredentialId,
    ) -> Result<CheckOutcome> {
        caller.require(Scope::CredentialsRead)?;
        let held = self.held(caller, id).await?;
        context.record.note_credential(&held.id, self.resolver.spec(&held.provider)?.provider);
        let started = crate::clock::monotonic();
        let outcome = match self.resolver.open_held(&held) {
            Ok(opened) => {
                let _permit = opened.account.enter(context).await?;
                opened.probe(context).await
            }
            Err(failure) => Err(failure),
        };
        let took = started.elapsed();
        let code = outcome.as_ref().err().map(|failure| Text::from_static(failure.kind.code()));
        let check = CheckRecord::after(held.last_check.as_ref(), code);
        self.store.note_check(&held.tenant, &held.id, held.revision, &check).await?;
        self.log_change(&held, &check)?;
        Ok(CheckOutcome { outcome, took })
    }

    /// Like [`Self::check`], for the operator, and with a record in the audit.
    pub async fn check_as_operator(
        &self,
        context: &CallContext,
        tenant: &TenantId,
        id: &CredentialId,
    ) -> Result<CheckOutcome> {
        let (tenant, principal) = (tenant.clone(), Principal::Operator);
        let scopes = Scopes::new(&[Scope::CredentialsRead]);
        let operator = Caller { tenant, principal, scopes, credentials: None };
        let actor = Actor::of(&operator, context);
        let entry = self.audit.begin(&actor, Action::CredentialCheck, Some(&operator.tenant)).on(id.as_str());
        let checked = self.check(context, &operator, id).await;
        // The audit shows what the check found, too.
        let found = checked.clone().and_then(|checked| checked.outcome.map(|_| ()));
        let _ = entry.end(found).await;
        checked
    }

    async fn held(&self, caller: &Caller, id: &CredentialId) -> Result<CredentialRecord> {
        may_name(caller, id)?;
        self.store.get(&caller.tenant, id).await?.ok_or_else(|| not_found(caller, id))
    }

    /// `held` with the changes of `patch`, probed if `verify` and the changes require it.
    async fn changed(
        &self,
        context: &CallContext,
        mut held: CredentialRecord,
        patch: &CredentialPatch,
        verify: bool,
    ) -> Result<CredentialRecord> {
        let CredentialPatch { name, settings, secret } = patch;
        if let Some(name) = name {
            held.name = names::check(name).map_err(|fault| Failure::validation(vec![fault]))?;
        }
        held.updated_at = now();
        // A change of only the name needs neither the secret nor the CRM.
        if settings.is_none() && secret.is_none() {
            return Ok(held);
        }
        if let Some(settings) = settings {
            let merged = settings::merged(&held.settings, settings.as_str())?;
            settings::check_size(&merged)?;
            held.settings = merged.into();
        }
        let link = self.resolver.link(self.resolver.spec(&held.provider)?, &held.settings)?;
        let moved = held.base_url != link.base_url.as_str();
        let given = match secret {
            Some(secret) => {
                settings::check_secret_size(secret)?;
                secret.clone()
            }
            None if moved => return Err(secret_required()),
            None => self.resolver.unseal(&held)?,
        };
        let opened = self.resolver.connect(&held.tenant, &held.id, &link, &given)?;
        if secret.is_some() {
            let last = held.last_check.take();
            if verify {
                held.last_check = Some(probed(context, &opened, &opened.account, last.as_ref()).await?);
            }
            held.base_url = link.base_url.as_str().into();
            held.secret = self.resolver.seal(&held, &given)?;
        }
        Ok(held)
    }

    /// Logs the result of a check if it differs from that of the check before.
    fn log_change(&self, before: &CredentialRecord, check: &CheckRecord) -> Result<()> {
        if before.last_check.as_ref().is_none_or(|last| check.differs_from(last)) {
            let provider = self.resolver.spec(&before.provider)?.provider;
            health::log_change(&before.tenant, &before.id, provider, None, check);
        }
        Ok(())
    }

    fn shown(&self, record: CredentialRecord) -> Result<Credential> {
        let CredentialRecord {
            id,
            tenant: _,
            provider,
            name,
            settings,
            base_url: _,
            secret: _,
            revision: _,
            created_at,
            updated_at,
            last_check,
        } = record;
        let provider = self.resolver.spec(&provider)?.provider;
        let settings = RawJson::from_validated(settings);
        Ok(Credential { id, provider, name, settings, created_at, updated_at, last_check })
    }
}

/// Name and link if all three are valid; otherwise one failure with every fault, so that a caller can fix all at once.
fn combined<T>(
    name: Result<Text>,
    link: Result<ResolvedSettings>,
    secret: Result<T>,
) -> Result<(Text, ResolvedSettings)> {
    match (name, link, secret) {
        (Ok(name), Ok(link), Ok(_)) => Ok((name, link)),
        (name, link, secret) => {
            let failures: Vec<Failure> =
                [name.err(), link.err(), secret.err()].into_iter().flatten().collect();
            match <[Failure; 1]>::try_from(failures) {
                Ok([one]) => Err(one),
                Err(many) => {
                    let mut faults = Faults::new();
                    for failure in many {
                        faults.append(failure.faults);
                    }
                    Err(Failure::validation(faults))
                }
            }
        }
    }
}

/// Checks whether the CRM accepts the secret, with a permit of `account`.
async fn probed(
    context: &CallContext,
    opened: &ConnectedCredential,
    account: &AccountLimits,
    last: Option<&CheckRecord>,
) -> Result<CheckRecord> {
    let _permit = account.enter(context).await?;
    opened.probe(context).await?;
    Ok(CheckRecord::after(last, None))
}

fn secret_required() -> Failure {
    Failure::validation(vec![FieldFault::member(
        "/secret",
        "required",
        "Another base URL requires `secret` in the same request, because a secret is only sent to the base URL that it was given for.",
    )])
}
