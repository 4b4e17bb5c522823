//! Creates under a key at Aptly, where people have neither address nor number, or share one.

use std::time::Duration;

use contacts_gateway::simulators::FaultKind;
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use serde_json::json;

use super::aptly;
use crate::once::late::proven_absent;
use crate::once::{code, next_write_meets, settling, status, sweep, writes_meet};
use crate::support::crm::Crm;
use crate::support::person::{ada, with};

async fn settled(options: AptlyOptions) -> Crm {
    settling(aptly(), AptlySimulator::start(options).await.unwrap()).await
}

#[tokio::test]
async fn it_is_adopted_where_the_crm_tells_people_apart_by_what_was_not_sent() {
    let crm = settled(AptlyOptions::empty()).await;
    let body = || json!({ "firstName": "Ada", "lastName": "Byron", "phoneNumbers": [{ "phoneNumber": "+14165550277" }] });
    proven_absent(&crm, body()).await;
    let phone = json!([{ "number": "+14165550277", "type": "mobile" }]);
    let id = crm.at.put(json!({ "firstname": "Ada", "lastname": "Byron", "phone": phone })).unwrap();
    let told = crm.keyed("k").create(body()).await.unwrap();
    assert_eq!((told.remote_id(), crm.sent().len(), crm.at.contacts().len()), (id.as_str(), 1, 1));
}

#[tokio::test]
async fn without_address_and_number_nothing_is_sent_again() {
    let crm = settled(AptlyOptions::empty()).await;
    for (key, fault) in [("a", status(500)), ("b", FaultKind::AppliedThen { status: 500 })] {
        let before = crm.sent().len();
        next_write_meets(&crm, fault);
        let body = || json!({ "firstName": "Ada", "lastName": "Byron" });
        for _ in 0..3 {
            assert_eq!(code(&crm.keyed(key).create(body()).await), "outcome_ambiguous");
        }
        assert_eq!(crm.sent().len() - before, 1);
    }
}

#[tokio::test]
async fn a_household_too_large_to_be_seen_whole_does_not_stop_a_create() {
    let crm = settled(AptlyOptions { page_size: 2, ..AptlyOptions::empty() }).await;
    for number in 0..5 {
        crm.put("Will", "King", &format!("will{number}@example.com"), "+14165550277");
    }
    crm.create(with(ada(), &json!({ "emailAddresses": [{ "emailAddress": "a@example.com" }] })))
        .await
        .unwrap();
    // Who has the address is known, and that alone stands in the way of a create.
    assert_eq!(code(&crm.keyed("k").create(ada()).await), "answered");
}

/// The rounds of the background fall between requests and replays at every distance.
#[tokio::test]
async fn of_forty_staggered_creates_none_is_sent_again_within_the_settle_time() {
    let settle = Duration::from_secs(5);
    let simulator = AptlySimulator::start(AptlyOptions::empty()).await.unwrap();
    let crm = Crm::settling(simulator, aptly(), json!({}), settle).await;
    let _sweep = sweep(&crm);
    writes_meet(&crm, status(500));
    let one = async |number: u64| {
        tokio::time::sleep(Duration::from_millis(150 * number)).await;
        let (key, email) = (format!("k{number}"), format!("number-{number}@example.com"));
        let body = || json!({ "lastName": "Byron", "emailAddresses": [{ "emailAddress": email }] });
        // Too short for two lookups in one request.
        assert_eq!(code(&crm.keyed(&key).within(4000).create(body()).await), "outcome_unknown");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let again = crm.keyed(&key).within(4000).create(body()).await;
        let again = code(&again);
        assert!(["outcome_unknown", "idempotency_in_progress"].contains(&again), "{again}");
        let sent =
            crm.at.calls().into_iter().filter(|call| call.method != "GET" && call.body.contains(&email));
        sent.count()
    };
    let sent = futures_util::future::join_all((0..40).map(one)).await;
    assert_eq!(sent, [1; 40]);
}
