//! A credential that is pointed at another account between a lost write and its replay: nothing is sent there.

use std::time::Duration;

use contacts_gateway::domain::{FailureKind, RawJson, Result, Retryable, Text};
use contacts_gateway::gateway::credentials::CredentialPatch;
use contacts_gateway::simulators::{self as simulated, FaultKind, Running};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    SETTLE, SHORT, code, database, next_write_meets, refused, someone, stage, status, sweep, swept_to,
    writes_meet,
};
use crate::support::account::Account;
use crate::support::crm::Crm;
use crate::support::keyed::Told;
use crate::support::person::ada;
use crate::support::relay::Relay;
use crate::support::worlds::{Start, WORLDS, World};
use crate::test_gateway::{Link, TestGateway, secret_of, soon};

/// Two companies at one address; the credential opens the first.
struct Companies {
    crm: Crm,
    other: Running,
    relay: Relay,
}

/// A company of this name, with two secrets and nobody whom a test looks for.
async fn company(world: &dyn World, name: &str) -> Running {
    let tokens = vec![format!("{name}-secret"), format!("{name}-new-secret")];
    world
        .start(Start {
            tokens,
            tells_account: true,
            account: (name == "second").then_some("second"),
            ..Start::default()
        })
        .await
}

impl Companies {
    /// With the account known from a probe, or not.
    async fn of(world: &'static dyn World, verify: bool) -> Self {
        let (at, other) = (company(world, "first").await, company(world, "second").await);
        let relay = Relay::between(&[&at, &other]).await;
        let link =
            Link { base_url: relay.base_url(), secret: at.token(), settings: world.permissive(), verify };
        let account = Account::link(&TestGateway::settling(SETTLE).await, world.provider(), link).await;
        Self { crm: Crm::watched(account, at, world), other, relay }
    }

    /// Changes the credential; a base URL needs the secret again.
    async fn point(&self, secret: &str, base_url: &str, verify: bool) {
        let settings = json!({ "baseUrl": base_url }).to_string();
        self.change(
            CredentialPatch {
                name: None,
                settings: Some(RawJson::from_validated(settings.into())),
                secret: Some(secret_of(self.crm.world.provider(), secret).into()),
            },
            verify,
        )
        .await;
    }

    async fn to_the_other(&self) {
        self.point(self.other.token(), &self.relay.base_url(), true).await;
    }

    async fn back(&self) {
        self.point(self.crm.at.token(), &self.relay.base_url(), true).await;
    }

    async fn change(&self, patch: CredentialPatch, verify: bool) {
        let (gateway, id) = (&self.crm.gateway, &self.crm.credential);
        gateway.credentials.update(&soon(), &gateway.caller, id, patch, verify).await.unwrap();
    }

    async fn replay(&self) -> Result<Told> {
        self.crm.keyed("k").create(ada()).await
    }

    /// The first send of a create that the CRM does not apply.
    async fn lose_a_create(&self) {
        next_write_meets(&self.crm, status(500));
        self.give_up_early().await;
        assert_eq!(self.crm.sent().len(), 1);
    }

    /// Creates with too little time for two lookups; on a busy machine it may be too little to send at all.
    async fn give_up_early(&self) {
        let mut told = "gateway_timeout";
        while told == "gateway_timeout" {
            told = code(&self.crm.keyed("k").within(SHORT).create(ada()).await);
        }
        assert_eq!(told, "outcome_unknown");
    }

    /// The replay is refused, the other account is as it was, and the row says what it said.
    async fn assert_refused(&self, what: &str) {
        let row = stage(&self.crm).await;
        let failure = refused(self.replay().await);
        assert_eq!(
            (failure.kind, failure.retryable),
            (FailureKind::OutcomeAmbiguous, Retryable::No),
            "{what}"
        );
        assert!(failure.candidates.is_empty() && failure.detail.as_str().contains("Nothing was sent"));
        assert_eq!(stage(&self.crm).await, row, "{what}");
        self.assert_untouched();
    }

    fn assert_untouched(&self) {
        let calls = self.other.calls();
        assert!(calls.iter().all(|call| call.method == "GET"), "{calls:?}");
        let sought =
            |call: &simulated::RecordedCall| call.query.contains("ada") || call.query.contains("4165550277");
        assert!(!calls.iter().any(sought), "somebody was looked for at the other account: {calls:?}");
    }
}

#[tokio::test]
async fn a_lost_create_is_neither_looked_for_nor_sent_at_another_account_of_the_same_crm() {
    for world in WORLDS {
        let companies = Companies::of(*world, true).await;
        companies.lose_a_create().await;
        companies.to_the_other().await;
        {
            // The background worker proves nothing there, however often it comes by.
            let _sweep = sweep(&companies.crm);
            sleep(SETTLE * 6).await;
        }
        assert_eq!(stage(&companies.crm).await, Some(("unknown".to_owned(), 1)));
        companies.assert_refused("unknown").await;
        companies.back().await;
        swept_to(&companies.crm, "absent").await;
        companies.to_the_other().await;
        companies.assert_refused("absent").await;
        companies.back().await;
        companies.replay().await.unwrap();
        assert_eq!(companies.crm.sent().len(), 2);
        companies.assert_untouched();
    }
}

#[tokio::test]
async fn a_create_that_was_found_is_not_read_at_another_account() {
    for world in WORLDS {
        let companies = Companies::of(*world, true).await;
        // Applied after the request has looked for it.
        next_write_meets(&companies.crm, FaultKind::Latency { ms: SHORT });
        companies.give_up_early().await;
        let is_ada = |contact: &Value| contact.to_string().contains("Ada");
        while !companies.crm.at.contacts().iter().any(is_ada) {
            sleep(Duration::from_millis(5)).await;
        }
        swept_to(&companies.crm, "found").await;
        companies.to_the_other().await;
        companies.assert_refused("found").await;
        companies.back().await;
        let told = companies.replay().await.unwrap();
        assert_eq!(
            (told.body["contact"]["firstName"].as_str(), companies.crm.sent().len()),
            (Some("Ada"), 1)
        );
    }
}

#[tokio::test]
async fn another_base_url_is_another_account_whatever_is_known_of_both() {
    for world in WORLDS {
        for verify in [true, false] {
            let companies = Companies::of(*world, verify).await;
            companies.lose_a_create().await;
            companies.point(companies.other.token(), &companies.other.base_url(), verify).await;
            companies.assert_refused("base URL").await;
            // Also where the same secret would be accepted.
            companies.point(companies.crm.at.token(), &companies.crm.at.base_url(), verify).await;
            companies.assert_refused("base URL").await;
        }
    }
}

#[tokio::test]
async fn a_new_secret_of_an_account_that_was_never_seen_may_be_of_another_one() {
    for world in WORLDS {
        let companies = Companies::of(*world, false).await;
        companies.lose_a_create().await;
        companies.to_the_other().await;
        let calls = companies.other.calls().len();
        companies.assert_refused("unknown then").await;
        assert_eq!(companies.other.calls().len(), calls, "a probe cannot tell");
        companies.back().await;
        companies.replay().await.unwrap();
        assert_eq!(companies.crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_new_secret_of_the_same_account_goes_on_with_the_create_after_one_probe() {
    for world in WORLDS {
        let companies = Companies::of(*world, true).await;
        companies.lose_a_create().await;
        let (new, url) = (companies.crm.at.tokens()[1].clone(), companies.relay.base_url());
        companies.point(&new, &url, false).await;
        let probes = || {
            let probe = |call: &&simulated::RecordedCall| {
                call.path.ends_with("/me") || call.path.ends_with("/verify-token")
            };
            companies.crm.at.calls().iter().filter(probe).count()
        };
        let before = probes();
        companies.replay().await.unwrap();
        assert_eq!((companies.crm.sent().len(), probes() - before), (2, 1));
        companies.assert_untouched();
    }
}

#[tokio::test]
async fn a_new_name_or_another_setting_changes_nothing_about_a_lost_create() {
    for world in WORLDS {
        let companies = Companies::of(*world, false).await;
        companies.lose_a_create().await;
        let name = CredentialPatch { name: Some(Text::from("renamed")), ..CredentialPatch::default() };
        companies.change(name, true).await;
        let region = RawJson::from_validated(json!({ "defaultRegion": "CA" }).to_string().into());
        companies
            .change(CredentialPatch { settings: Some(region), ..CredentialPatch::default() }, true)
            .await;
        companies.replay().await.unwrap();
        assert_eq!(companies.crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_change_or_removal_that_may_have_left_is_not_sent_to_another_account() {
    for world in WORLDS {
        let companies = Companies::of(*world, true).await;
        let crm = &companies.crm;
        let id = someone(crm, "Ada", "Byron");
        // The other company has a record of the same id.
        let mut same = crm.at.contact(&id).unwrap();
        same["lastName"] = json!("Other");
        same["lastname"] = json!("Other");
        same["organizationId"] = json!("second");
        assert_eq!(companies.other.put(same).as_deref(), Some(id.as_str()));
        writes_meet(crm, status(500));
        let change = || json!({ "lastName": "King" });
        let deletes = crm.spec.operations.delete;
        assert_eq!(code(&crm.keyed("change").update(&id, change()).await), "upstream_error");
        if deletes {
            assert_eq!(code(&crm.keyed("remove").delete(&id).await), "upstream_error");
        }
        crm.at.faults().clear();
        {
            let _sweep = sweep(crm);
            sleep(SETTLE * 3).await;
        }
        assert!(looks_left(crm).await, "the background worker has nothing to look for");
        companies.to_the_other().await;
        let before = companies.other.contact(&id);
        let failure = refused(crm.keyed("change").update(&id, change()).await);
        assert_eq!(failure.kind, FailureKind::OutcomeAmbiguous);
        if deletes {
            assert_eq!(refused(crm.keyed("remove").delete(&id).await).kind, FailureKind::OutcomeAmbiguous);
        }
        assert_eq!(companies.other.contact(&id), before);
        assert!(companies.other.calls().iter().all(|call| call.method == "GET"));
        companies.back().await;
        let told = crm.keyed("change").update(&id, change()).await.unwrap();
        assert_eq!(told.body["contact"]["lastName"], Value::from("King"));
    }
}

/// Whether every open row is put off for about as long as it is kept.
async fn looks_left(crm: &Crm) -> bool {
    let rows: Vec<(i64, i64)> = sqlx::query_as("SELECT look_at, expires_at FROM idempotency")
        .fetch_all(&mut database(crm).await)
        .await
        .unwrap();
    !rows.is_empty() && rows.iter().all(|(look_at, expires_at)| look_at + 60_000 > *expires_at)
}
