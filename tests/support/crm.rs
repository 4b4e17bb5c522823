//! A simulated CRM with an account at it, whose calls are judged by its contract.

use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::gateway::contacts::ContactView;
use contacts_gateway::simulators::{RecordedCall, Running};
use serde_json::{Value, json};

use super::account::Account;
use super::contract::Contract;
use super::worlds::{Start, Stored, WORLDS, World};
use crate::test_gateway::{Link, TestGateway};

pub(crate) struct Crm {
    pub(crate) account: Account,
    pub(crate) at: Running,
    pub(crate) world: &'static dyn World,
    _contract: Contract,
}

impl std::ops::Deref for Crm {
    type Target = Account;
    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Crm {
    /// With nobody in it, under these settings of the credential.
    pub(crate) async fn new(world: &'static dyn World, settings: Value) -> Self {
        Self::at(world.start(Start::default()).await, world, settings).await
    }

    /// One that runs already.
    pub(crate) async fn at(at: Running, world: &'static dyn World, settings: Value) -> Self {
        let account = linked(&TestGateway::open().await, world.provider(), &at, settings).await;
        Self::watched(account, at, world)
    }

    /// Behind a gateway that waits only so long between its lookups for a lost create.
    pub(crate) async fn settling(
        at: Running,
        world: &'static dyn World,
        settings: Value,
        settle: Duration,
    ) -> Self {
        let gateway = TestGateway::settling(settle).await;
        let account = linked(&gateway, world.provider(), &at, settings).await;
        Self::watched(account, at, world)
    }

    /// A simulated CRM whose calls are judged by its contract from now on.
    pub(crate) fn watched(account: Account, at: Running, world: &'static dyn World) -> Self {
        let contract = Contract::watch(world.provider(), &at);
        Self { account, at, world, _contract: contract }
    }

    /// The same account, through a gateway that has learnt nothing about this CRM yet.
    pub(crate) async fn afresh(&self) -> Account {
        linked(&TestGateway::open().await, self.world.provider(), &self.at, json!({})).await
    }

    /// The same account, through a gateway that respects the CRM's limits, under these settings.
    pub(crate) async fn paced(&self, settings: Value) -> Account {
        linked(&TestGateway::paced().await, self.world.provider(), &self.at, settings).await
    }

    /// The stored record, as the CRM spells it.
    pub(crate) fn stored(&self, shown: &ContactView) -> Value {
        self.at.contact(shown.contact.remote_id.as_str()).unwrap()
    }

    /// Calls that could have written, whatever they did.
    pub(crate) fn sent(&self) -> Vec<RecordedCall> {
        self.at.calls().into_iter().filter(|call| call.method != "GET").collect()
    }

    /// The body of the only write sent.
    pub(crate) fn only_body(&self) -> Value {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        serde_json::from_str(&sent[0].body).unwrap()
    }

    /// Puts somebody in as this CRM spells them, without a call.
    pub(crate) fn put(&self, first: &str, last: &str, email: &str, phone: &str) -> String {
        self.at.put(self.world.record(&Stored { first, last, emails: &[email], phones: &[phone] })).unwrap()
    }

    /// Puts Ada in with more than one of everything; her id.
    pub(crate) fn put_rich(&self) -> String {
        self.at.put(self.world.rich()).unwrap()
    }

    /// Nothing was sent that could write, and nobody was harmed.
    pub(crate) fn assert_nothing_sent(&self) {
        assert!(self.sent().is_empty(), "{:?}", self.sent());
        self.assert_no_alarm();
    }

    /// No call at all reached the CRM.
    pub(crate) fn assert_silence(&self) {
        assert!(self.at.calls().is_empty(), "{:?}", self.at.calls());
    }

    pub(crate) fn assert_no_alarm(&self) {
        assert!(self.at.journal().alarms().is_empty(), "{:?}", self.at.journal().alarms());
        for (method, path) in self.world.harmful_calls() {
            assert!(self.at.journal().calls_to(method, path).is_empty(), "{method} {path}");
        }
    }
}

pub(crate) async fn linked(
    gateway: &Arc<TestGateway>,
    provider: &str,
    at: &Running,
    settings: Value,
) -> Account {
    let link = Link { base_url: at.base_url(), secret: at.token(), settings, verify: false };
    Account::link(gateway, provider, link).await
}

/// Every CRM with nobody in it.
pub(crate) async fn all() -> Vec<Crm> {
    all_under(&json!({})).await
}

/// Every CRM with nobody in it, under these settings of the credential.
pub(crate) async fn all_under(settings: &Value) -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        crms.push(Crm::new(*world, settings.clone()).await);
    }
    crms
}

/// Every CRM with people of the demonstration.
pub(crate) async fn all_with_people(people: usize) -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        let at = world.start(Start { people, ..Start::default() }).await;
        crms.push(Crm::at(at, *world, json!({})).await);
    }
    crms
}

/// Every CRM with nobody in it, where the credential allows all that the CRM can do.
pub(crate) async fn all_permissive() -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        crms.push(Crm::new(*world, world.permissive()).await);
    }
    crms
}

/// Those of them at which contacts can be removed.
pub(crate) async fn removing() -> Vec<Crm> {
    all_permissive().await.into_iter().filter(|crm| crm.spec.operations.delete).collect()
}
