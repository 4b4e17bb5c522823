//! The types of credentials: drafts, changes, and what callers see.

use std::sync::Arc;

use secrecy::SecretString;

use super::accounts::AccountSource;
use super::health::CredentialHealth;
use crate::adapters::{Account, Adapter, AdapterSpec, RecentDefinitions, SeenFields};
use crate::domain::{
    CallContext, CredentialId, Failure, FailureKind, Provider, RawJson, Result, Text, Timestamp,
};
use crate::gateway::audit::fields;
use crate::gateway::writes::Destination;
use crate::store::CheckRecord;
use crate::upstream;

/// A credential without its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The API's `credentialId`.
    pub id: CredentialId,
    pub provider: Provider,
    /// A name, unique in the tenant.
    pub name: Text,
    /// The settings as the caller sent them, a JSON object.
    pub settings: RawJson,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The last check, if there was one.
    pub last_check: Option<CheckRecord>,
}

/// A new credential. `settings` and `secret` are valid JSON objects.
#[derive(Clone)]
pub struct CredentialDraft {
    /// The provider, such as `aptly`.
    pub provider: Text,
    pub name: Text,
    /// A JSON object.
    pub settings: RawJson,
    /// A JSON object.
    pub secret: SecretString,
}

/// Changes to a credential. `None` leaves a field unchanged. `settings` is merged by field, `null` resets one.
#[derive(Default)]
pub struct CredentialPatch {
    pub name: Option<Text>,
    /// The settings to merge.
    pub settings: Option<RawJson>,
    pub secret: Option<SecretString>,
}

impl CredentialPatch {
    /// The names of the fields that it changes, for the audit.
    pub(super) fn fields(&self) -> Vec<Text> {
        let Self { name, settings, secret } = self;
        let (name, secret) = (name.as_ref().map(|_| "name"), secret.as_ref().map(|_| "secret"));
        let mut given: Vec<Text> = name.into_iter().chain(secret).map(Text::from_static).collect();
        given.extend(settings.iter().flat_map(fields::of_settings));
        given
    }
}

/// The result of a check. A refused secret is a result, not a failure.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// The account, or the failure of the probe.
    pub outcome: std::result::Result<Account, Failure>,
    pub took: std::time::Duration,
}

/// A connected credential.
#[derive(Clone)]
pub struct ConnectedCredential {
    pub id: CredentialId,
    pub spec: &'static AdapterSpec,
    pub adapter: Arc<dyn Adapter>,
    /// The CRM's scheme, host and port.
    pub host: Text,
    /// The concurrency limit and the budget of calls. Whoever uses the adapter holds a permit.
    pub account: upstream::AccountLimits,
    /// The fields that contacts of the account showed.
    pub(in crate::gateway) seen_fields: Arc<RecentDefinitions<SeenFields>>,
    pub(super) account_source: AccountSource,
    pub(super) health: Arc<CredentialHealth>,
}

impl ConnectedCredential {
    /// Asks the CRM for the account of the secret, and stores it. Fails like [`Adapter::probe`].
    pub(in crate::gateway) async fn probe(&self, context: &CallContext) -> Result<Account> {
        let account = self.adapter.probe(context).await?;
        if let Some(id) = &account.id {
            self.account_source.opened(id);
        }
        Ok(account)
    }

    /// Notes what an operation showed about the credential: its failure, or that a call succeeded.
    pub(in crate::gateway) fn note<T>(&self, outcome: &Result<T>) {
        match outcome {
            Err(failure) => self.health.note_failure(failure.kind),
            // Some operations send nothing.
            Ok(_) if self.account.has_worked() => self.health.note_success(),
            Ok(_) => {}
        }
    }

    /// A failure that names the CRM.
    pub(in crate::gateway) fn failure(&self, kind: FailureKind, detail: impl Into<Text>) -> Failure {
        Failure::new(kind, detail).with_upstream(self.spec.provider, None)
    }

    /// Where writes go, as far as this is known without a call.
    pub(in crate::gateway) fn destination(&self) -> Destination {
        self.account_source.destination()
    }
}
