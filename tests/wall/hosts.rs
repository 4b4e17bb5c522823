//! A host that several tenants use: one tenant's calls must not block it for another, nor use up another's retries.

use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use futures_util::future::join_all;
use serde_json::json;

use crate::reply::Reply;
use crate::testbed::{Tenant, Testbed};

/// One CRM with a token for the attackers and one for the honest tenant.
async fn shared_crm() -> Running {
    let tokens = vec!["token-of-attackers".to_owned(), "token-of-the-honest".to_owned()];
    PipelineSimulator::start(PipelineOptions { tokens, ..PipelineOptions::empty() }).await.unwrap()
}

fn status(code: u16) -> FaultKind {
    let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
    FaultKind::Status { code, body, content_type, headers: Vec::new() }
}

/// A key of a tenant, and its credential at the CRM.
struct Account {
    key: String,
    credential: String,
}

impl Account {
    async fn of(testbed: &Testbed, tenant: &Tenant, crm: &Running, token: usize) -> Self {
        let key = testbed.key(tenant, &Scope::ALL, None).await;
        let secret = json!({ "token": crm.tokens()[token] });
        let credential = testbed.at_pipeline(&key, &crm.base_url(), secret).await;
        Self { key, credential }
    }

    async fn list(&self, testbed: &Testbed) -> Reply {
        testbed.send("GET", &format!("/crm/contacts?credentialId={}", self.credential), &self.key, None).await
    }
}

/// Runs the attackers and the honest tenant concurrently. Returns how many calls of the honest one failed.
async fn honest_failures(testbed: &Testbed, attackers: &[Account], honest: &Account) -> usize {
    let mut failed = 0;
    for _ in 0..40 {
        join_all(attackers.iter().map(|attacker| attacker.list(testbed))).await;
        failed += usize::from(honest.list(testbed).await.status != 200);
    }
    failed
}

#[tokio::test]
async fn failures_of_one_tenant_close_a_shared_host_to_nobody_else() {
    for fault in [status(500), status(502), status(503), status(504), FaultKind::ResetBeforeReading] {
        let (testbed, crm) = (Testbed::open().await, shared_crm().await);
        let (mine, theirs) = (testbed.tenant("mine").await, testbed.tenant("theirs").await);
        let attackers =
            [Account::of(&testbed, &mine, &crm, 0).await, Account::of(&testbed, &mine, &crm, 0).await];
        let honest = Account::of(&testbed, &theirs, &crm, 1).await;
        crm.fault(Fault::always(fault.clone()).bearing(&crm.tokens()[0]));
        // A single failure of the honest tenant must not add to the attacker's failures.
        crm.fault(Fault::once(status(503)).bearing(&crm.tokens()[1]));
        assert_eq!(honest_failures(&testbed, &attackers, &honest).await, 0, "{fault:?}");
        let own = attackers[0].list(&testbed).await;
        assert_eq!(own.code(), "upstream_circuit_open", "the attacker's own calls are paused: {fault:?}");
    }
}

#[tokio::test]
async fn two_tenants_whose_calls_fail_do_not_pause_a_third_whose_calls_work() {
    let (testbed, crm) = (Testbed::open().await, shared_crm().await);
    let (one, other) = (testbed.tenant("one").await, testbed.tenant("other").await);
    let attackers =
        [Account::of(&testbed, &one, &crm, 0).await, Account::of(&testbed, &other, &crm, 0).await];
    let honest = Account::of(&testbed, &testbed.tenant("honest").await, &crm, 1).await;
    assert_eq!(honest.list(&testbed).await.status, 200);
    crm.fault(Fault::always(status(503)).bearing(&crm.tokens()[0]));
    assert_eq!(honest_failures(&testbed, &attackers, &honest).await, 0);
}

#[tokio::test]
async fn retries_of_one_tenant_are_not_taken_from_another() {
    let (testbed, crm) = (Testbed::open().await, shared_crm().await);
    let (mine, theirs) = (testbed.tenant("mine").await, testbed.tenant("theirs").await);
    let attacker = Account::of(&testbed, &mine, &crm, 0).await;
    let honest = Account::of(&testbed, &theirs, &crm, 1).await;
    crm.fault(Fault::always(status(500)).bearing(&crm.tokens()[0]));
    // The honest tenant's read succeeds at the third attempt, which takes two of the three retries per second.
    crm.fault(Fault::next(2, status(500)).bearing(&crm.tokens()[1]));
    for _ in 0..4 {
        attacker.list(&testbed).await;
    }
    assert_eq!(honest.list(&testbed).await.status, 200);
}
