//! The shapes of credentials: what is given, what is shown, what is opened.

use std::sync::Arc;

use secrecy::SecretString;

use super::accounts::AccountSource;
use crate::adapters::{Account, Adapter, AdapterSpec};
use crate::domain::{CallContext, CredentialId, Failure, Provider, RawJson, Result, Text, Timestamp};
use crate::gateway::writes::Destination;
use crate::store::CheckRecord;
use crate::upstream;

/// A credential as it is shown; never its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The API's `credentialId`.
    pub id: CredentialId,
    pub provider: Provider,
    /// A name, unique in the tenant.
    pub name: Text,
    /// The settings as given, a JSON object.
    pub settings: RawJson,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The last check, if there was one.
    pub last_check: Option<CheckRecord>,
}

/// What a new credential shall be. `settings` and `secret` are JSON objects already checked for syntax.
#[derive(Clone)]
pub struct CredentialDraft {
    /// The provider's word.
    pub provider: Text,
    pub name: Text,
    /// Settings, a JSON object.
    pub settings: RawJson,
    /// Secret, a JSON object.
    pub secret: SecretString,
}

/// Changes to a credential; what is `None` stays. `settings` merges by member, `null` resets one.
#[derive(Default)]
pub struct CredentialPatch {
    pub name: Option<Text>,
    /// Members of settings to merge.
    pub settings: Option<RawJson>,
    pub secret: Option<SecretString>,
}

/// The answer of a check: a refused secret is an answer too.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// The account, or why it could not be asked.
    pub outcome: std::result::Result<Account, Failure>,
    pub took: std::time::Duration,
}

/// A credential, opened for use.
#[derive(Clone)]
pub struct ConnectedCredential {
    pub id: CredentialId,
    pub spec: &'static AdapterSpec,
    pub adapter: Arc<dyn Adapter>,
    /// Where its CRM is: scheme, name and port.
    pub host: Text,
    /// Its places and its budget of calls: whoever uses the adapter holds a place.
    pub account: upstream::AccountLimits,
    pub(super) account_source: AccountSource,
}

impl ConnectedCredential {
    /// Asks the CRM whose account the secret opens, and remembers it. Fails as [`Adapter::probe`] does.
    pub(in crate::gateway) async fn probe(&self, context: &CallContext) -> Result<Account> {
        let account = self.adapter.probe(context).await?;
        if let Some(id) = &account.id {
            self.account_source.opened(id);
        }
        Ok(account)
    }

    /// Where writes go, as far as it is known without asking.
    pub(in crate::gateway) fn destination(&self) -> Destination {
        self.account_source.destination()
    }
}
